import { rabbitmq } from "./brokers.ts"
import { mending } from "./DeadLetters.ts"
import { failing } from "./Failure.ts"
import { living } from "./Lifetime.ts"
import { measuring } from "./Measures.ts"
import { operating } from "./Operate.ts"
import { publishing } from "./Publish.ts"
import { subscribing } from "./Subscribe.ts"
import { tracing } from "./Traces.ts"

for (const suite of [publishing, subscribing, living, failing, operating, mending, tracing, measuring]) suite(rabbitmq)
