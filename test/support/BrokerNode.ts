/** A RabbitMQ node of the tests' own, which they may break. It ends with this process, however that ends. */
export interface BrokerNode {
  /** Its name in the cluster. */
  readonly name: string
  /** The port that it listens on, which is the same after a restart. */
  readonly port: number
  readonly url: string
  readonly version: string
  /** Runs `rabbitmqctl`, and returns its output. */
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
