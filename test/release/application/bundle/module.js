import * as EventType from "effect-eventbus/EventType"

globalThis.type = EventType.untyped("invoice.paid")
