/** Types for the part of Rascal that the bench uses. It has none of its own. */
declare module "rascal" {
  import type { EventEmitter } from "node:events"
  import type { ConsumeMessage, Options } from "amqplib"

  export interface BrokerAsPromised extends EventEmitter {
    publish(name: string, content: Buffer, overrides: PublishOverrides): Promise<EventEmitter>
    subscribe(name: string): Promise<EventEmitter>
    shutdown(): Promise<void>
  }

  export interface PublishOverrides {
    readonly routingKey: string
    readonly options: Options.Publish
  }

  export type AckOrNack = () => void
  export type OnMessage = (message: ConsumeMessage, content: unknown, ackOrNack: AckOrNack) => void

  const rascal: { readonly BrokerAsPromised: { create(config: unknown): Promise<BrokerAsPromised> } }
  export default rascal
}
