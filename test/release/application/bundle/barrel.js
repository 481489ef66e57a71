import { EventType } from "effect-eventbus"

globalThis.type = EventType.untyped("invoice.paid")
