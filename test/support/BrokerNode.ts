/** A RabbitMQ node of the tests' own, which they may break. It ends with this process, however that ends. */
export interface BrokerNode {
  /** What the nodes of a cluster call it. */
  readonly name: string
  /** Where it listens on this machine, before and after a restart. */
  readonly port: number
  readonly url: string
  readonly version: string
  /** What `rabbitmqctl` prints. */
  readonly ctl: (...args: ReadonlyArray<string>) => Promise<string>
  /** Ends it without warning, as a power cut would. What it stored stays for `restart`. */
  readonly kill: () => Promise<void>
  /** Asks it to end, as a service's restart does. */
  readonly terminate: () => Promise<void>
  readonly restart: () => Promise<void>
  /** Stops it in its tracks, until `resume`. */
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  /** Ends it and removes everything it stored. */
  readonly stop: () => Promise<void>
}

export interface Options {
  /** Further lines for its rabbitmq.conf. */
  readonly config?: ReadonlyArray<string> | undefined
  /** Milliseconds in which it must start. */
  readonly timeout?: number | undefined
}
