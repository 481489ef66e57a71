import { rabbitmq } from "./brokers.ts"
import { failing } from "./Failure.ts"
import { living } from "./Lifetime.ts"
import { operating } from "./Operate.ts"
import { publishing } from "./Publish.ts"
import { subscribing } from "./Subscribe.ts"

for (const suite of [publishing, subscribing, living, failing, operating]) suite(rabbitmq)
