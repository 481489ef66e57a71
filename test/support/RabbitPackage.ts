import { existsSync, readdirSync, realpathSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"

/** Where a RabbitMQ that is installed on this system keeps its programs. */
export interface RabbitPackage {
  readonly server: string
  readonly ctl: string
  readonly epmd: string
}

export const path: ReadonlyArray<string> = [
  ...new Set([...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
].filter((folder) => folder !== "")

const onPath = (program: string): ReadonlyArray<string> =>
  path.map((folder) => join(folder, program)).filter((file) => existsSync(file))

const entries = (folder: string): ReadonlyArray<string> => (existsSync(folder) ? readdirSync(folder) : [])

// The rabbitmq-server on the PATH may be a wrapper that changes the user. The script itself has rabbitmq-env beside it.
const folders = (): ReadonlyArray<string> =>
  [
    "/usr/lib/rabbitmq/bin",
    ...entries("/usr/lib/rabbitmq/lib").map((version) => join("/usr/lib/rabbitmq/lib", version, "sbin")),
    ...onPath("rabbitmq-server").map((file) => dirname(realpathSync(file)))
  ].filter((folder) =>
    ["rabbitmq-env", "rabbitmq-server", "rabbitmqctl"].every((file) => existsSync(join(folder, file)))
  )

export const find = (): RabbitPackage | undefined => {
  const [folder] = folders()
  const besideErlang = onPath("erl").map((file) => join(dirname(realpathSync(file)), "epmd"))
  const epmd = [...onPath("epmd"), ...besideErlang].find((file) => existsSync(file))
  return folder === undefined || epmd === undefined
    ? undefined
    : { server: join(folder, "rabbitmq-server"), ctl: join(folder, "rabbitmqctl"), epmd }
}
