import { spawn } from "node:child_process"
import { dirname, join } from "node:path"
import type { Readable } from "node:stream"
import { assert } from "@effect/vitest"
import * as CompileCache from "../support/CompileCache.ts"
import * as InProcess from "./InProcess.ts"

const bin = join(import.meta.dirname, "../../packages/cli/src/bin.ts")

const fixtures = join(import.meta.dirname, "fixtures")

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly ended: Promise<Ended>
  /** Returns the output on stdout so far. */
  readonly said: () => string
  /** Waits until stdout has said this. */
  readonly output: (text: string) => Promise<void>
  /** Waits until stderr has said this. */
  readonly remark: (text: string) => Promise<void>
  readonly interrupt: () => void
  /** Ends it at once, with no time to tidy up. */
  readonly kill: () => void
  /** Closes the reading end of its stdout. */
  readonly lookAway: () => void
}

export type Env = Readonly<Record<string, string>>

export const password = "hush-hush"

/** Nothing listens at this address, so that no test meets a broker by accident. */
const nowhere: Env = {
  RABBITMQ_HOST: "127.0.0.1",
  RABBITMQ_PORT: "1",
  RABBITMQ_PASSWORD: password,
  RABBITMQ_CONNECTION_TIMEOUT: "0.2"
}

/** The variables that lead to a broker. */
export const at = (url: string): Env => ({ RABBITMQ_URL: url, RABBITMQ_CONNECTION_TIMEOUT: "60" })

const collect = (stream: Readable) => {
  let text = ""
  stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
  const until = (said: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => text.includes(said) && resolve()
      stream.on("data", look)
      stream.once("close", () => reject(new Error(`It ended without saying "${said}": ${text}`)))
      look()
    })
  return { text: () => text, until }
}

/** Starts the command, in an environment of its own, with something to read if need be. */
export const start = (args: ReadonlyArray<string>, env?: Env, input?: string): Running =>
  startModule(bin, args, env, input)

/** Starts a module as a program, in an environment of its own. */
export const startModule = (module: string, args: ReadonlyArray<string>, env: Env = {}, input?: string): Running => {
  const child = spawn(process.execPath, [module, ...args], {
    env: { TERM: "xterm-256color", ...CompileCache.variables, ...nowhere, ...env }
  })
  if (input !== undefined) child.stdin.end(input)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout: stdout.text(), stderr: stderr.text() }))
  })
  return {
    ended,
    said: stdout.text,
    output: stdout.until,
    remark: stderr.until,
    interrupt: () => child.kill("SIGINT"),
    kill: () => child.kill("SIGKILL"),
    lookAway: () => child.stdout.destroy()
  }
}

/** Whether a module that a command names, if it does, is one of the tests, which no test changes. */
const isUnchanging = (args: ReadonlyArray<string>): boolean =>
  !args.includes("--module") || dirname(args[args.indexOf("--module") + 1] ?? "") === fixtures

/** Whether a command depends on nothing but its arguments, its input and the variables that lead to a broker. */
const isPlain = (args: ReadonlyArray<string>, env: Env): boolean =>
  args[0] !== "demo" && isUnchanging(args) && Object.keys(env).every((name) => name.startsWith("RABBITMQ_"))

/** Runs the command to its end: a plain one in this process, another in one of its own. */
export const run = (args: ReadonlyArray<string>, env: Env = {}, input?: string): Promise<Ended> =>
  isPlain(args, env) ? InProcess.run(args, { ...nowhere, ...env }, input) : start(args, env, input).ended

export const linesOf = (text: string): ReadonlyArray<string> => (text === "" ? [] : text.replace(/\n$/, "").split("\n"))

/** The objects of an output of which each line is one. */
export const objectsOf = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  linesOf(text).map((line) => JSON.parse(line))

/** Asserts that a command failed with one line on stderr that says this, and nothing on stdout. */
export const assertFailed = ({ code, stderr, stdout }: Ended, expected: number, said: string): void => {
  assert.strictEqual(code, expected, stderr)
  assert.strictEqual(stdout, "")
  assert.strictEqual(linesOf(stderr).length, 1, stderr)
  assert.isTrue(stderr.endsWith("\n"))
  assert.include(stderr, said)
}
