import { execFile, spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { closeSync, existsSync, openSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import type { BrokerNode, Options } from "./BrokerNode.ts"
import { brokerVersion } from "./BrokerVersion.ts"
import { retryFor } from "./Deadline.ts"
import * as ErlCall from "./ErlCall.ts"
import * as NodeDirectory from "./NodeDirectory.ts"
import { nodeExpression } from "./nodeExpression.ts"
import * as RabbitPackage from "./RabbitPackage.ts"
import * as SingleCpu from "./SingleCpu.ts"
import * as Watchdog from "./Watchdog.ts"

export interface RabbitNodeOptions extends Options {
  /** The plugins to start with it, such as `rabbitmq_management`. */
  readonly plugins?: ReadonlyArray<string> | undefined
}

const accepts = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(void socket.destroy()))
    socket.once("error", reject)
  })

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

const tail = async (file: string): Promise<string> =>
  existsSync(file) ? (await readFile(file, "utf8")).trimEnd().split("\n").slice(-60).join("\n") : ""

/** A node run from the system's package, beside whatever broker is there. */
export class RabbitNode implements BrokerNode {
  static find(): string | undefined {
    return RabbitPackage.find()?.server
  }

  static async start(options: RabbitNodeOptions = {}): Promise<RabbitNode> {
    const [node] = await RabbitNode.startAll(1, options)
    if (node === undefined) throw new Error("No node was started")
    return node
  }

  /** Starts nodes that make one cluster. The first one's end is the end of them all. */
  static async startAll(count: number, options: RabbitNodeOptions = {}): Promise<ReadonlyArray<RabbitNode>> {
    const programs = RabbitPackage.find()
    if (programs === undefined) throw new Error("No rabbitmq-server is installed on this system")
    const directories = await NodeDirectory.makeAll(count, options.config ?? [], options.plugins ?? [])
    const nodes = directories.map((directory) => new RabbitNode(programs, directory, options.timeout ?? 60_000))
    const [first] = nodes
    try {
      if (first !== undefined) await first.#startEpmd()
      await Promise.all(nodes.map((node) => node.#startServer()))
    } catch (error) {
      await Promise.all(nodes.map((node) => node.stop()))
      throw error
    }
    return nodes
  }

  readonly url: string
  readonly port: number
  readonly #programs: RabbitPackage.RabbitPackage
  readonly #directory: NodeDirectory.NodeDirectory
  readonly #timeout: number
  readonly #watchdog: Watchdog.Watchdog
  #epmd: ChildProcess | undefined
  #server: ChildProcess | undefined
  #version = ""

  private constructor(programs: RabbitPackage.RabbitPackage, directory: NodeDirectory.NodeDirectory, timeout: number) {
    this.#programs = programs
    this.#directory = directory
    this.#timeout = timeout
    this.#watchdog = Watchdog.make(directory.path)
    this.port = directory.port
    this.url = `amqp://guest:guest@127.0.0.1:${directory.port}`
  }

  get name(): string {
    return this.#directory.name
  }

  get version(): string {
    return this.#version
  }

  /**
   * Does what `rabbitmqctl` does, at once where the node can do it by itself. Not for a node that a fault has met: there
   * `rabbitmqctl` knows what to leave out.
   */
  async command(...args: ReadonlyArray<string>): Promise<string> {
    const { distributionPort, env } = this.#directory
    const expression = nodeExpression(args)
    const { erlCall } = this.#programs
    if (erlCall !== undefined && expression !== undefined) {
      const said = await ErlCall.evaluate(erlCall, { env, port: distributionPort }, expression)
      if (said !== undefined) return said
    }
    return this.ctl(...args)
  }

  async ctl(...args: ReadonlyArray<string>): Promise<string> {
    const { env } = this.#directory
    const { stdout } = await promisify(execFile)(this.#programs.ctl, ["-q", ...args], { env, timeout: 60_000 })
    return stdout
  }

  get isRunning(): boolean {
    return this.#server !== undefined && isAlive(this.#server)
  }

  kill(): Promise<void> {
    return this.#end((pid) => process.kill(-pid, "SIGKILL"))
  }

  terminate(): Promise<void> {
    return this.#end((pid) => process.kill(pid, "SIGTERM"))
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.#startServer()
  }

  async pause(): Promise<void> {
    this.#signal("SIGSTOP")
  }

  async resume(): Promise<void> {
    this.#signal("SIGCONT")
  }

  async stop(): Promise<void> {
    await this.#watchdog.release()
    this.#server = undefined
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#server?.pid
    if (pid === undefined) throw new Error("The RabbitMQ node is not running")
    process.kill(pid, signal)
  }

  async #end(tell: (pid: number) => void): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server?.pid === undefined || !isAlive(server)) return
    const ended = once(server, "exit")
    server.ref()
    tell(server.pid)
    await ended
  }

  async #startEpmd(): Promise<void> {
    this.#epmd = this.#spawn(this.#programs.epmd)
    this.#guard()
    await once(this.#epmd, "spawn")
    // Without it the node would start an epmd of its own, which outlives the test.
    await retryFor(5_000, () => accepts(this.#directory.epmdPort))
  }

  async #startServer(): Promise<void> {
    const server = this.#spawn(...SingleCpu.command(this.#programs.server))
    this.#server = server
    this.#guard()
    server.once("exit", () => this.#guard())
    await once(server, "spawn")
    const version = await retryFor(this.#timeout, async () =>
      isAlive(server) ? await brokerVersion(this.url, 5_000) : undefined
    ).catch(() => undefined)
    if (version === undefined) throw new Error(`The RabbitMQ node did not start\n${await this.#log()}`)
    this.#version = version
  }

  #spawn(command: string, ...args: ReadonlyArray<string>): ChildProcess {
    const output = openSync(join(this.#directory.path, "output"), "a")
    // A group of its own: for the watchdog to end it with all that it starts, and Ctrl+C to reach only the tests.
    const child = spawn(command, args, {
      cwd: this.#directory.path,
      detached: true,
      env: this.#directory.env,
      stdio: ["ignore", output, output]
    })
    closeSync(output)
    child.unref()
    return child
  }

  #guard(): void {
    const children = [this.#epmd, this.#server].filter((child) => child !== undefined)
    this.#watchdog.guard(children.filter(isAlive).flatMap(({ pid }) => pid ?? []))
  }

  async #log(): Promise<string> {
    const { env, path } = this.#directory
    const files = [join(path, "output"), join(path, "log", `${env["RABBITMQ_NODENAME"]}.log`)]
    return (await Promise.all(files.map(tail))).filter((text) => text !== "").join("\n")
  }
}
