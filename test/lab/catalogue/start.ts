import { Effect, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { addUser, password, url } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Experiment } from "../experiments/Experiment.ts"
import { refuses } from "../experiments/StartExperiment.ts"

/** Starts that can never succeed. */
export const start: ReadonlyArray<Experiment> = [
  refuses("bad-login", "AuthenticationFailed", ({ bus, port }) =>
    bus({ url: Redacted.make(`amqp://unknown:${password}@127.0.0.1:${port}`) })
  ),
  refuses("bad-vhost", "VhostNotFound", ({ bus, port }) => bus({ url: Redacted.make(`${url(port)}/nowhere`) })),
  refuses("no-permission", "PermissionDenied", ({ broker, bus, name, port }) =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.promise(() => addUser(broker, name)),
        () => Effect.promise(() => broker.ctl("delete_user", name))
      )
      yield* Effect.promise(() => broker.ctl("set_permissions", name, "^own\\.", "^own\\.", "^own\\."))
      yield* bus({ url: Redacted.make(url(port, name)) })
    })
  ),
  refuses("argument-drift", "TopologyMismatch", ({ bus, name, port }) =>
    Effect.gen(function* () {
      yield* LabClient.ask(port, (channel) =>
        channel.assertQueue(`${name}.q`, { arguments: { "x-queue-type": "classic", "x-max-length": 1 } })
      )
      const { subscribe } = yield* bus()
      yield* subscribe(Handler.make(Subscription.make(`${name}.q`, { patterns: ["#"] }), () => Effect.void))
    })
  )
]
