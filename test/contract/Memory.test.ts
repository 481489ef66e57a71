import { memory } from "./brokers.ts"
import { failing } from "./Failure.ts"
import { operating } from "./Operate.ts"
import { publishing } from "./Publish.ts"
import { subscribing } from "./Subscribe.ts"

for (const suite of [publishing, subscribing, failing, operating]) suite(memory)
