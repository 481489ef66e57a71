import { Effect } from "effect"
import type { SingleNode } from "../broker/LabBroker.ts"
import * as Frame from "../proxy/Frame.ts"
import type { FrameProxy } from "../proxy/FrameProxy.ts"
import type { WorkerProcess } from "../workload/WorkerProcess.ts"

/** Everything that a fault of a soak can use. */
export interface SoakContext {
  readonly broker: SingleNode
  readonly frames: FrameProxy
  readonly worker: WorkerProcess
}

const ctl = ({ broker }: SoakContext, ...args: ReadonlyArray<string>) => Effect.promise(() => broker.ctl(...args))

const pause = (begin: () => void, millis: number, end: () => void | Promise<void>) =>
  Effect.sync(begin).pipe(Effect.andThen(Effect.sleep(millis)), Effect.andThen(Effect.promise(async () => end())))

const unknownTag = Buffer.from([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0])

/** The faults of a soak by name. */
export const soakFaults = {
  rst: ({ frames }: SoakContext) => Effect.sync(() => frames.tcp.cut()),
  fin: ({ frames }: SoakContext) => Effect.sync(() => frames.tcp.fin()),
  "half-open": ({ frames: { tcp } }: SoakContext) =>
    pause(
      () => tcp.blackHole(),
      7000,
      () => tcp.heal()
    ),
  "close-all-connections": (context: SoakContext) => ctl(context, "close_all_connections", "a fault"),
  "channel-exception": ({ frames }: SoakContext) =>
    Effect.sync(() =>
      frames.insert(({ consuming: [channel] }) =>
        channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
      )
    ),
  "kill-9": ({ broker }: SoakContext) => Effect.promise(() => broker.node.restart()),
  "stop-app": (context: SoakContext) => Effect.andThen(ctl(context, "stop_app"), ctl(context, "start_app")),
  "memory-alarm": (context: SoakContext) =>
    Effect.scoped(
      Effect.andThen(
        Effect.acquireRelease(ctl(context, "set_vm_memory_high_watermark", "absolute", "1MB"), () =>
          ctl(context, "set_vm_memory_high_watermark", "absolute", "4GB")
        ),
        Effect.sleep("3 seconds")
      )
    ),
  "process-stopped": ({ worker }: SoakContext) =>
    pause(
      () => worker.signal("SIGSTOP"),
      7000,
      () => worker.signal("SIGCONT")
    )
}

/** The names of the faults, from which a soak draws. */
export const soakFaultNames = [
  "rst",
  "fin",
  "half-open",
  "close-all-connections",
  "channel-exception",
  "kill-9",
  "stop-app",
  "memory-alarm",
  "process-stopped"
] as const satisfies ReadonlyArray<keyof typeof soakFaults>
