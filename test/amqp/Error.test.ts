import * as AmqpError from "@effect-eventbus/amqp/AmqpError"
import type { Endpoint } from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"

const endpoint: Endpoint = {
  protocol: "amqp",
  host: "rabbit.internal",
  port: 403,
  username: "u",
  password: Redacted.make("p"),
  vhost: "/"
}

const coded = (code: string | number, message: string) => Object.assign(new Error(message), { code })
const fromConnect = (error: unknown) => AmqpError.fromConnect(error, endpoint)
const fromChannel = (code: number, message: string) =>
  AmqpError.fromChannel(coded(code, message), { operation: "declare", address: "h:1" })

describe("AmqpError", () => {
  it("tells a login that is refused from an address that looks like it", () => {
    const refused =
      'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"'
    assert.strictEqual(fromConnect(new Error(refused))._tag, "AuthenticationFailed")
    assert.strictEqual(fromConnect(coded("ECONNREFUSED", "connect ECONNREFUSED 10.0.0.1:403"))._tag, "ConnectionFailed")
  })

  it("tells what time may cure from what it cannot", () => {
    const ofCode = (code: string) => fromConnect(coded(code, "no")).isRetryable
    for (const code of ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]) {
      assert.isTrue(ofCode(code), code)
    }
    for (const code of ["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "DEPTH_ZERO_SELF_SIGNED_CERT"]) {
      assert.isFalse(ofCode(code), code)
    }
  })

  it("says what Node says of each address of a host", () => {
    const error = new AggregateError([
      new Error("connect ECONNREFUSED ::1:5672"),
      new Error("connect ECONNREFUSED 127.0.0.1:5672")
    ])
    assert.strictEqual(AmqpError.detailOf(error), "connect ECONNREFUSED ::1:5672; connect ECONNREFUSED 127.0.0.1:5672")
  })

  it("shows no credentials and no book", () => {
    assert.strictEqual(AmqpError.detailOf(new Error("at amqp://u:hush@h/v")), "at amqp://***@h/v")
    assert.strictEqual(AmqpError.detailOf("x".repeat(10_000)).length, 500)
  })

  it("names what differs, and what is missing", () => {
    const inequivalent =
      "Channel closed by server: 406 (PRECONDITION-FAILED) with message \"PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'work' in vhost '/': received none but current is the value '1' of type 'signedint'\""
    assert.deepInclude(fromChannel(406, inequivalent), {
      _tag: "TopologyMismatch",
      name: "work",
      argument: "x-message-ttl",
      wanted: undefined,
      current: 1
    })
    const differing = (said: string) => {
      const detail = `PRECONDITION_FAILED - inequivalent arg 'a' for queue 'work' in vhost '/': received ${said}`
      const reason = fromChannel(406, detail)
      return reason._tag === "TopologyMismatch" ? [reason.wanted, reason.current] : reason
    }
    assert.deepStrictEqual(differing("'classic' but current is 'quorum'\""), ["classic", "quorum"])
    assert.deepStrictEqual(differing("'false' but current is 'true'"), [false, true])
    assert.deepStrictEqual(differing("the value 'true' of type 'longstr' but current is none"), ["true", undefined])
    assert.deepStrictEqual(
      differing("the value '7' of type 'longstr' but current is the value '-7' of type 'signedint'"),
      ["7", -7]
    )
    assert.deepStrictEqual(differing("'2000' but current is '1000'"), [2000, 1000])
    assert.deepStrictEqual(differing("'b' but current is 'it's another'\""), ["b", "it's another"])
    assert.deepStrictEqual(differing("something else"), ["?", "?"])
    assert.deepStrictEqual(differing("the value 'a'b' of type 'longstr' but current is none"), ["a'b", undefined])
    assert.deepInclude(fromChannel(404, "NOT_FOUND - no queue 'work' in vhost '/'"), { _tag: "NotFound", name: "work" })
    assert.strictEqual(fromChannel(406, "PRECONDITION_FAILED - unknown delivery tag 1")._tag, "Refused")
    assert.strictEqual(fromChannel(403, "ACCESS_REFUSED")._tag, "PermissionDenied")
    assert.strictEqual(fromChannel(405, "RESOURCE_LOCKED")._tag, "Refused")
  })

  it("reads what a queue has out of what is refused, by the broker's own types", () => {
    const differenceOf = (argument: string, says: string) =>
      AmqpError.differenceOf(
        new Error(
          `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg '${argument}' for queue 'work' in vhost '/': received ${says}"`
        )
      )
    for (const [says, current] of [
      ["'quorum' but current is 'classic'", "classic"],
      ["the value 'quorum' of type 'longstr' but current is none", undefined],
      ["none but current is the value '20' of type 'byte'", 20],
      ["none but current is the value '12' of type 'longstr'", "12"],
      ["none but current is the value 'it's 'so'' of type 'longstr'", "it's 'so'"],
      ["none but current is the value 'true' of type 'bool'", true],
      ["the value '1' of type 'byte' but current is the value '' of type 'longstr'", ""]
    ] as const) {
      assert.deepStrictEqual(differenceOf("x-any", says), { argument: "x-any", current })
    }
    assert.isUndefined(differenceOf("x-any", "none but current is the value '[1,2]' of type 'array'"))
    assert.isUndefined(differenceOf("x-any", "none but current is the val"))
    assert.isUndefined(AmqpError.differenceOf(new Error("PRECONDITION_FAILED - unknown delivery tag 1")))
    assert.isUndefined(AmqpError.differenceOf(undefined))
  })
})
