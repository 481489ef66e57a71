import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { memory, rabbitmq } from "./brokers.ts"
import { programming } from "./Programs.ts"
import { ttl } from "./programs/Program.ts"

programming(memory, {
  programs: 1000,
  concurrency: 1,
  maxShrinks: 3000,
  clock: "test",
  looks: 100,
  patience: TestClock.adjust("20 millis"),
  settle: () => TestClock.adjust(5 * ttl),
  deadline: TestClock.withLive(Effect.sleep("10 seconds"))
})

programming(rabbitmq, {
  programs: 30,
  concurrency: 4,
  maxShrinks: 200,
  clock: "real",
  looks: 300,
  patience: Effect.sleep("10 millis"),
  settle: (mayExpire) => (mayExpire ? Effect.sleep(1.2 * ttl) : Effect.void),
  deadline: Effect.sleep("30 seconds")
})
