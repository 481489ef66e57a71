import { randomBytes, randomInt } from "node:crypto"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import * as NodeConfig from "./NodeConfig.ts"
import * as RabbitPackage from "./RabbitPackage.ts"

/** The resources of a private RabbitMQ node: a folder, three ports, and the environment that points to them. */
export interface NodeDirectory {
  readonly path: string
  readonly name: string
  readonly port: number
  readonly epmdPort: number
  /** The port at which other Erlang nodes reach it. */
  readonly distributionPort: number
  readonly env: { readonly [name: string]: string }
}

export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

// Below the ephemeral ports, which an outgoing connection could take while the node is down. The folder's name claims
// the ports, since the node binds them only seconds later.
const claim = async (attempts: number): Promise<readonly [path: string, port: number]> => {
  const port = 20_000 + 3 * randomInt(4_000)
  const path = join(tmpdir(), `eventbus-rabbitmq-${port}`)
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (attempts > 0) return claim(attempts - 1)
    throw error
  }
  return [path, port]
}

const claimFree = async (): Promise<readonly [path: string, port: number]> => {
  const [path, port] = await claim(100)
  const free = await Promise.all([port, port + 1, port + 2].map(isFree))
  if (free.every(Boolean)) return [path, port]
  await rm(path, { recursive: true })
  return claimFree()
}

/** The settings that all nodes of a cluster share. */
interface Shared {
  readonly cookie: string
  readonly epmdPort: number
  readonly config: ReadonlyArray<string>
  readonly plugins: ReadonlyArray<string>
}

const nameOf = (port: number): string => `eventbus-${port}@localhost`

const write = async (
  path: string,
  port: number,
  { config, cookie, epmdPort, plugins }: Shared
): Promise<NodeDirectory> => {
  const name = nameOf(port)
  const write = (file: string, lines: ReadonlyArray<string>, mode = 0o600) =>
    writeFile(join(path, file), lines.map((line) => `${line}\n`).join(""), { mode })
  await Promise.all(["home", "log", "mnesia"].map((folder) => mkdir(join(path, folder))))
  await Promise.all([
    writeFile(join(path, "home", ".erlang.cookie"), cookie, { mode: 0o400 }),
    write("enabled_plugins", [`[${plugins.join(", ")}].`]),
    write("advanced.config", NodeConfig.advanced),
    write("rabbitmq.conf", [`listeners.tcp.1 = 127.0.0.1:${port}`, ...config])
  ])
  const distributionPort = port + 2
  const loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
  return {
    path,
    name,
    port,
    epmdPort,
    distributionPort,
    env: {
      PATH: RabbitPackage.path.join(delimiter),
      LANG: "C.UTF-8",
      HOME: join(path, "home"),
      ERL_EPMD_ADDRESS: "127.0.0.1",
      ERL_EPMD_PORT: `${epmdPort}`,
      // Neither the node nor rabbitmqctl starts an epmd of its own, which would outlive them.
      ERL_AFLAGS: "-start_epmd false",
      RABBITMQ_NODENAME: name,
      RABBITMQ_DIST_PORT: `${distributionPort}`,
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      RABBITMQ_CONFIG_FILE: join(path, "rabbitmq.conf"),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(path, "advanced.config"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(path, "enabled_plugins"),
      RABBITMQ_MNESIA_BASE: join(path, "mnesia"),
      RABBITMQ_LOG_BASE: join(path, "log"),
      RABBITMQ_PID_FILE: join(path, "pid"),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${loopback} ${NodeConfig.erlangArguments}`,
      RABBITMQ_CTL_ERL_ARGS: loopback,
      // The script then becomes the node, instead of a shell that waits for it: its pid is the node's.
      RUNNING_UNDER_SYSTEMD: "true"
    }
  }
}

/** The folders of nodes that find each other, where there are several. The first one's epmd serves them all. */
export const makeAll = async (
  count: number,
  config: ReadonlyArray<string>,
  plugins: ReadonlyArray<string>
): Promise<ReadonlyArray<NodeDirectory>> => {
  const claims: Array<readonly [path: string, port: number]> = []
  while (claims.length < count) claims.push(await claimFree())
  const ports = claims.map(([, port]) => port)
  const shared = {
    cookie: randomBytes(16).toString("hex"),
    epmdPort: (ports[0] ?? 0) + 1,
    config: NodeConfig.lines(ports.map(nameOf), config),
    plugins
  }
  return Promise.all(claims.map(([path, port]) => write(path, port, shared)))
}
