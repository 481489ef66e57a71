import { randomBytes, randomInt } from "node:crypto"
import type { ContainerRuntimeClient, StartedNetwork, StartedTestContainer } from "testcontainers"
import type { BrokerNode, Options } from "./BrokerNode.ts"
import { brokerVersion } from "./BrokerVersion.ts"
import { retryFor } from "./Deadline.ts"
import * as NodeConfig from "./NodeConfig.ts"
import { isFree } from "./NodeDirectory.ts"

type Container = ReturnType<ContainerRuntimeClient["container"]["getById"]>

/** Below the ephemeral ports, which an outgoing connection could take while the node is down. */
const freePort = async (): Promise<number> => {
  const port = 20_000 + randomInt(12_000)
  return (await isFree(port)) ? port : freePort()
}

const text = (lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")

/** Testcontainers takes a while to load, and few need it. */
const testcontainers = () => import("testcontainers")

/** A node in a container, of any version that there is an image of. */
export class DockerNode implements BrokerNode {
  /** Starts nodes that make one cluster, where there are several. */
  static async startAll(image: string, count: number, options: Options = {}): Promise<ReadonlyArray<DockerNode>> {
    const { getContainerRuntimeClient, Network } = await testcontainers()
    const client = await getContainerRuntimeClient()
    const network = await new Network().start()
    const hosts = Array.from({ length: count }, (_, i) => `rabbit${i + 1}`)
    const cookie = randomBytes(16).toString("hex")
    const started = await Promise.allSettled(
      hosts.map((host) => DockerNode.#create(client, { image, network, host, hosts, cookie, options }))
    )
    const nodes = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []))
    const failed = started.find((each) => each.status === "rejected")
    if (failed === undefined) return nodes
    await Promise.all(nodes.map((node) => node.stop()))
    await network.stop()
    throw failed.reason
  }

  static async #create(
    client: ContainerRuntimeClient,
    {
      cookie,
      host,
      hosts,
      image,
      network,
      options
    }: {
      readonly image: string
      readonly network: StartedNetwork
      readonly host: string
      readonly hosts: ReadonlyArray<string>
      readonly cookie: string
      readonly options: Options
    }
  ): Promise<DockerNode> {
    const { GenericContainer, Wait } = await testcontainers()
    const nameOf = (host: string): string => `rabbit@${host}`
    const port = await freePort()
    const timeout = options.timeout ?? 60_000
    const started = await new GenericContainer(image)
      .withNetwork(network)
      .withNetworkAliases(host)
      .withHostname(host)
      // The same one after a restart.
      .withExposedPorts({ container: 5672, host: port })
      .withEnvironment({ RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: NodeConfig.erlangArguments })
      .withCopyContentToContainer([
        { content: cookie, target: "/var/lib/rabbitmq/.erlang.cookie", mode: 0o400 },
        {
          content: text(
            NodeConfig.lines(hosts.map(nameOf), ["loopback_users.guest = false", ...(options.config ?? [])])
          ),
          target: "/etc/rabbitmq/conf.d/90-tests.conf",
          mode: 0o644
        },
        { content: text(NodeConfig.advanced), target: "/etc/rabbitmq/advanced.config", mode: 0o644 }
      ])
      .withWaitStrategy(Wait.forListeningPorts())
      .withStartupTimeout(timeout)
      .start()
    const at = started.getHost()
    if (at !== "localhost" && at !== "127.0.0.1") {
      await started.stop()
      throw new Error(`The Docker engine is on ${at}: nodes are broken and mended on this machine only`)
    }
    const node = new DockerNode(
      started,
      client.container.getById(started.getId()),
      network,
      nameOf(host),
      port,
      timeout
    )
    await node.#answers()
    return node
  }

  readonly name: string
  readonly port: number
  readonly url: string
  readonly #started: StartedTestContainer
  readonly #container: Container
  readonly #network: StartedNetwork
  readonly #timeout: number
  #version = ""

  private constructor(
    started: StartedTestContainer,
    container: Container,
    network: StartedNetwork,
    name: string,
    port: number,
    timeout: number
  ) {
    this.#started = started
    this.#container = container
    this.#network = network
    this.#timeout = timeout
    this.name = name
    this.port = port
    this.url = `amqp://guest:guest@127.0.0.1:${port}`
  }

  get version(): string {
    return this.#version
  }

  async ctl(...args: ReadonlyArray<string>): Promise<string> {
    const { exitCode, output } = await this.#started.exec(["rabbitmqctl", "-q", ...args])
    if (exitCode !== 0) throw new Error(`rabbitmqctl ${args.join(" ")} ended with ${exitCode}: ${output}`)
    return output
  }

  async kill(): Promise<void> {
    await this.#end(() => this.#container.kill({ signal: "SIGKILL" }))
  }

  async terminate(): Promise<void> {
    await this.#end(() => this.#container.stop({ t: 30 }))
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.#container.start()
    await this.#answers()
  }

  async pause(): Promise<void> {
    await this.#container.pause()
  }

  async resume(): Promise<void> {
    await this.#container.unpause()
  }

  async stop(): Promise<void> {
    await this.#started.stop({ remove: true, removeVolumes: true, timeout: 0 })
    // The last one to leave takes the network along; until then it is in use.
    await this.#network.stop().catch(() => {})
  }

  async #end(tell: () => Promise<unknown>): Promise<void> {
    const { State } = await this.#container.inspect()
    if (!State.Running) return
    await tell()
    await this.#container.wait()
  }

  async #answers(): Promise<void> {
    this.#version = await retryFor(this.#timeout, () => brokerVersion(this.url, 5_000))
  }
}
