/** The events and workers of the shop, for `eventbus contract`, `explain` and `asyncapi`. It starts nothing. */

export { billing } from "./Billing.ts"
export { bookkeeper } from "./Bookkeeper.ts"
export * from "./Events.ts"
export { shipping } from "./Shipping.ts"
export { stock } from "./Stock.ts"
