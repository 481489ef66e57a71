import { Fault } from "effect-eventbus"
import type { Envelope } from "effect-eventbus"

const run = "globalThis.pwned=1"

/** Texts that would run, reach out or lie if a page took them for more than text. */
export const texts: ReadonlyArray<string> = [
  `<img src=x onerror="${run}">`,
  `<script>${run}</script>`,
  `"><svg onload=${run}>`,
  `'-${run}-'`,
  `javascript:${run}`,
  `data:text/html,<script>${run}</script>`,
  `{{constructor.constructor('${run}')()}}`,
  `\${${run}}`,
  `</title><script>${run}</script>`,
  `<a href="javascript:${run}">here</a>`,
  `<iframe srcdoc="<script>parent.${run}</script>"></iframe>`,
  `<link rel=stylesheet href=//evil.invalid/x.css>`,
  `<base href=//evil.invalid/>`,
  "paid\u202eFDP.exe\u2066\u200b\u0000\u001b[31m",
  "__proto__",
  `${"deep ".repeat(2000)}<b>`
]

const deep = `${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`

const bodyOf = (text: string, n: number): string | Uint8Array => {
  if (n % 4 === 1) return text
  if (n % 4 === 2) return `{"payload":${deep},"event_type":${JSON.stringify(text)}}`
  if (n % 4 === 3) return new Uint8Array([0xff, 0xfe, 0x00, ...new TextEncoder().encode(text)])
  const payload = { [text]: text, __proto__x: [text], url: text, nested: { list: [text, null, true, 1e21] } }
  return JSON.stringify({
    event_id: `11111111-0000-4000-8000-0000000000${String(n).padStart(2, "0")}`,
    event_type: "task.submitted",
    version: 1,
    timestamp: "2026-01-01T00:00:00.000Z",
    source: text,
    trace_id: text,
    payload
  })
}

/** Returns an envelope that has the text wherever there is room for one. */
export const envelope = (text: string, n: number): Envelope.Envelope => {
  const body = bodyOf(text, n)
  const short = text.slice(0, 100).replaceAll("\u0000", "")
  return {
    id: `${n}-${short}`,
    type: short,
    version: 1,
    routingKey: short,
    body: typeof body === "string" ? new TextEncoder().encode(body) : body,
    content: { type: short, encoding: undefined },
    timestamp: Date.now(),
    source: short,
    traceId: short,
    priority: "normal",
    ttl: undefined,
    persistent: true,
    traceparent: undefined,
    round: 0,
    attempt: 1,
    origin: undefined,
    fault: Fault.make({
      reason: text,
      message: text,
      stack: `${text}\n    at ${text} (${text}:1:1)\n    at javascript:${run} (/app/src/${text}.ts:2:2)`,
      attempts: 1,
      now: Date.now(),
      type: text
    })
  }
}
