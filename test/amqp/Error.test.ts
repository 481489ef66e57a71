import type { Endpoint } from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as AmqpError from "../../packages/amqp/src/internal/AmqpError.ts"

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

  it("tells what a broker says when it closes a connection that is being opened", () => {
    for (const [code, text, tag] of [
      [403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.", "AuthenticationFailed"],
      [530, "NOT_ALLOWED - vhost nowhere not found", "VhostNotFound"],
      [530, "NOT_ALLOWED - access to vhost '/' refused for user 'u'", "PermissionDenied"],
      [403, "ACCESS_REFUSED - access to vhost '/' refused for user 'u'", "PermissionDenied"],
      [
        530,
        "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (0) is reached",
        "ConnectionFailed"
      ],
      [530, "NOT_ALLOWED - connection refused for user 'u': user connection limit (1) is reached", "ConnectionFailed"],
      [541, "INTERNAL_ERROR - access to vhost '/' refused for user 'u': vhost '/' is down", "ConnectionFailed"],
      [320, "CONNECTION_FORCED - Node was put into maintenance mode", "ConnectionFailed"],
      [530, "NOT_ALLOWED - in words that are not known yet", "ConnectionFailed"]
    ] as const) {
      const reason = fromConnect(coded(code, text))
      assert.strictEqual(reason._tag, tag, text)
      assert.strictEqual(reason.isRetryable, tag === "ConnectionFailed", text)
      if (tag === "ConnectionFailed") assert.include(reason.message, `${code} ${text}`)
      if (tag === "PermissionDenied") assert.include(reason.message, text)
    }
    // Where its words cannot be read.
    assert.isTrue(fromConnect(new Error("Expected ConnectionOpenOk; got <ConnectionClose channel:0>")).isRetryable)
  })

  it("does not take every failure of a channel for one of the connection", () => {
    const of = (error: unknown) => AmqpError.fromChannel(error, { operation: "declare", address: "h:1" })
    assert.strictEqual(of("Heartbeat timeout")._tag, "ConnectionFailed")
    const illegal = Object.assign(new Error("Channel closing"), { name: "IllegalOperationError" })
    assert.strictEqual(of(illegal)._tag, "ConnectionFailed")
    const reason = of(new TypeError("Field 'queue' is the wrong type"))
    assert.strictEqual(reason._tag, "Refused")
    assert.include(reason.message, "Field 'queue' is the wrong type")
  })

  it("names the acknowledgement timeout, and otherwise says what the broker says", () => {
    const timeout =
      "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms. This timeout value can be configured"
    assert.match(AmqpError.closedBecause(coded(406, timeout)), /not acknowledged within 1800000 ms.*consumer_timeout/)
    assert.include(AmqpError.closedBecause(coded(406, "unknown delivery tag 7")), "unknown delivery tag 7")
    assert.strictEqual(AmqpError.closedBecause(undefined), "the channel is closed")
  })

  it("takes a consumer that is cancelled for a slow one only where RabbitMQ cancels those", () => {
    for (const [version, unsettled, queue, isSlow] of [
      ["4.3.6", 1, "exists", true],
      ["5.0.0", 2, "exists", true],
      ["4.3.6", 0, "exists", false],
      ["4.3.6", 1, "does not exist", false],
      ["4.3.6", 1, "not known", false],
      ["4.2.9", 1, "exists", false],
      ["3.10.8", 1, "exists", false]
    ] as const) {
      const text = AmqpError.cancelledBecause(version, unsettled, queue)
      assert.strictEqual(text.includes("consumer_timeout"), isSlow, `${version} ${unsettled} ${queue}`)
      if (!isSlow) assert.include(text, "its queue was deleted")
    }
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

  it("takes a failure of TLS for one of a certificate only where it is one", () => {
    const tagOf = (code: string) => fromConnect(coded(code, "no"))._tag
    for (const code of [
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "HOSTNAME_MISMATCH",
      "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
    ]) {
      assert.strictEqual(tagOf(code), "CertificateRejected", code)
    }
    for (const code of ["ERR_TLS_HANDSHAKE_TIMEOUT", "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "EPROTO"]) {
      assert.strictEqual(tagOf(code), "ConnectionFailed", code)
    }
    for (const code of ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "ERR_OSSL_X509_KEY_VALUES_MISMATCH"]) {
      const reason = fromConnect(coded(code, "no"))
      assert.deepStrictEqual([reason._tag, reason.isRetryable], ["TlsFailed", false], code)
    }
    const plain = fromConnect(coded("ERR_SSL_WRONG_VERSION_NUMBER", "error:0A00010B:SSL routines"))
    assert.match(plain.message, /^No TLS with rabbit\.internal:403: it does not speak it.* 5671$/)
    assert.isFalse(plain.isRetryable)
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
    assert.deepInclude(fromChannel(404, "NOT_FOUND - no queue 'work' in vhost '/'"), { _tag: "NotFound", name: "work" })
    assert.strictEqual(fromChannel(406, "PRECONDITION_FAILED - unknown delivery tag 1")._tag, "Refused")
    assert.strictEqual(fromChannel(403, "ACCESS_REFUSED")._tag, "PermissionDenied")
    assert.strictEqual(fromChannel(405, "RESOURCE_LOCKED")._tag, "Refused")
  })

  it("reads what a queue has out of what is refused, by the broker's own types", () => {
    for (const [says, wanted, current] of [
      ["'quorum' but current is 'classic'", "quorum", "classic"],
      ["'false' but current is 'true'", false, true],
      ["'2000' but current is '1000'", 2000, 1000],
      ["'b' but current is 'it's another'", "b", "it's another"],
      ["the value 'quorum' of type 'longstr' but current is none", "quorum", undefined],
      ["none but current is the value '20' of type 'byte'", undefined, 20],
      ["none but current is the value '12' of type 'longstr'", undefined, "12"],
      ["none but current is the value 'it's 'so'' of type 'longstr'", undefined, "it's 'so'"],
      ["none but current is the value 'true' of type 'bool'", undefined, true],
      ["none but current is the value '[1,2]' of type 'array'", undefined, "[1,2]"],
      ["the value '1' of type 'byte' but current is the value '' of type 'longstr'", 1, ""],
      ["the value 'true' of type 'longstr' but current is the value '-7' of type 'signedint'", "true", -7],
      ["none but current is the val", "?", "?"]
    ] as const) {
      const detail = `PRECONDITION_FAILED - inequivalent arg 'x-any' for queue 'work' in vhost '/': received ${says}`
      for (const text of [
        detail,
        `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "${detail}"`
      ]) {
        assert.deepInclude(fromChannel(406, text), { name: "work", argument: "x-any", wanted, current })
      }
    }
  })

  it("reads what differs however long the names are", () => {
    const long = "x".repeat(400)
    const detail = `inequivalent arg 'x-any' for queue 'work' in vhost '/': received '${long}' but current is 'a'`
    assert.deepInclude(fromChannel(406, detail), { _tag: "TopologyMismatch", wanted: long, current: "a" })
  })
})
