import { execFile } from "node:child_process"

const limit = 60_000
let calls = 0

/**
 * Has a running node evaluate an Erlang expression, and returns the text that it returns: by `erl_call`, a small program in
 * C that comes with Erlang. Returns `undefined` where the node has no such function, which versions differ in.
 */
export const evaluate = (
  program: string,
  { env, port }: { readonly env: Readonly<Record<string, string>>; readonly port: number },
  expression: string
): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    // The node sees each call as a node with a name of its own.
    const client = `call-${process.pid}-${++calls}`
    const args = ["-h", client, "-address", `127.0.0.1:${port}`, "-fetch_stdout", "-no_result_term", "-e"]
    const options = { env, timeout: limit, maxBuffer: 2 ** 26 }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      // What fails in the node says so in its answer. What it cannot read has no answer.
      if (error === null && stdout.startsWith("ok\n")) resolve(stdout.slice(3))
      else if (stdout.startsWith("{error,undef,")) resolve(undefined)
      else reject(new Error(`The node did not evaluate ${expression}: ${stdout}${stderr}`, { cause: error }))
    })
    const failed = 'io:format("~tp~n", [{Class, Reason, Stack}])'
    child.stdin?.on("error", () => {})
    child.stdin?.end(
      `try (${expression}) of Text -> io:put_chars(["ok\\n" | unicode:characters_to_list(Text)]) catch Class:Reason:Stack -> ${failed} end.\n`
    )
  })
