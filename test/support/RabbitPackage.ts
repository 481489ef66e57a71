import { existsSync, readdirSync, realpathSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"

const own = process.env["TEST_RABBITMQ_HOME"]

/** The folder of a RabbitMQ to take in place of the system's, as `test/scripts/get-rabbitmq.sh` prints it. */
export const home: string | undefined = own ? resolve(own) : undefined

/** The programs of a RabbitMQ. */
export interface RabbitPackage {
  readonly server: string
  readonly ctl: string
  readonly epmd: string
  /** Calls a running node, where Erlang's package brings it. */
  readonly erlCall: string | undefined
}

export const path: ReadonlyArray<string> = [
  ...new Set([
    ...(home === undefined ? [] : [join(home, "usr/lib/erlang/bin")]),
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin"
  ])
].filter((folder) => folder !== "")

const onPath = (program: string): ReadonlyArray<string> =>
  path.map((folder) => join(folder, program)).filter((file) => existsSync(file))

const entries = (folder: string): ReadonlyArray<string> => (existsSync(folder) ? readdirSync(folder) : [])

// The rabbitmq-server on the PATH may be a wrapper that changes the user. The script itself has rabbitmq-env beside it.
const systems = (): ReadonlyArray<string> => [
  "/usr/lib/rabbitmq/bin",
  ...entries("/usr/lib/rabbitmq/lib").map((version) => join("/usr/lib/rabbitmq/lib", version, "sbin")),
  ...onPath("rabbitmq-server").map((file) => dirname(realpathSync(file)))
]

const folders = (): ReadonlyArray<string> =>
  (home === undefined ? systems() : [join(home, "usr/lib/rabbitmq/bin")]).filter((folder) =>
    ["rabbitmq-env", "rabbitmq-server", "rabbitmqctl"].every((file) => existsSync(join(folder, file)))
  )

export const find = (): RabbitPackage | undefined => {
  const [folder] = folders()
  if (home !== undefined && folder === undefined) throw new Error(`TEST_RABBITMQ_HOME: no RabbitMQ is in ${home}`)
  const besideErlang = onPath("erl").map((file) => join(dirname(realpathSync(file)), "epmd"))
  const epmd = [...onPath("epmd"), ...besideErlang].find((file) => existsSync(file))
  return folder === undefined || epmd === undefined
    ? undefined
    : {
        server: join(folder, "rabbitmq-server"),
        ctl: join(folder, "rabbitmqctl"),
        epmd,
        erlCall: onPath("erl_call")[0]
      }
}
