import { assert, describe, it } from "@effect/vitest"
import { PublishError } from "effect-eventbus"
import * as AmqpMessage from "../../packages/amqp/src/internal/AmqpMessage.ts"
import { AmqpSender } from "../../packages/amqp/src/internal/AmqpSender.ts"
import { Outgoing } from "../../packages/amqp/src/internal/ConfirmWindow.ts"
import { Quarantine } from "../../packages/amqp/src/internal/Quarantine.ts"
import { Refusal } from "../../packages/amqp/src/internal/Refusal.ts"
import { TrackRecord } from "../../packages/amqp/src/internal/TrackRecord.ts"
import { envelope } from "../eventbus/BareBroker.ts"

/** A channel that shows what was sent on it, and confirms what it is told to. */
class Channel {
  readonly sent: Array<{ readonly key: string; readonly id: unknown; readonly confirm: (error: unknown) => void }> = []

  isClosed = false

  get keys(): ReadonlyArray<string> {
    return this.sent.map(({ key }) => key)
  }

  publish(
    _exchange: string,
    key: string,
    _content: Buffer,
    options?: { readonly messageId?: string | undefined },
    callback?: (error: unknown, ok: Record<string, never>) => void
  ): boolean {
    if (this.isClosed) throw Object.assign(new Error("Channel closed"), { name: "IllegalOperationError" })
    this.sent.push({ key, id: options?.messageId, confirm: (error) => callback?.(error, {}) })
    return true
  }

  /** Confirms all that was sent under a key. */
  confirm(key: string, error: unknown = null): void {
    for (const each of this.sent.filter((each) => each.key === key)) each.confirm(error)
  }
}

/** Makes the error of amqplib when RabbitMQ closes a channel or a connection. */
const said = (code: number, text: string): Refusal | undefined =>
  Refusal.of(Object.assign(new Error(`Channel closed by server: ${code} with message "${text}"`), { code }))

const topic = (key: string) =>
  said(403, `ACCESS_REFUSED - access to topic '${key}' in exchange 'events' in vhost '/' refused for user 'guest'`)
const frame = said(501, "FRAME_ERROR - type 2, all octets = <<>>: {frame_too_large,10589,8184}")

const make = ({ declares = true, quarantine = new Quarantine() } = {}) => {
  let now = 0
  const sender = new AmqpSender(
    { maxInFlight: 10, maxInFlightBytes: 1_000_000, publishTimeout: 10_000, declares },
    new TrackRecord(),
    quarantine,
    { isOpen: () => true, onIdle: () => {}, now: () => now }
  )
  const outcomes = new Map<string, string>()
  const reasons = new Map<string, PublishError.Reason>()
  let channel = new Channel()
  sender.attach(channel, 100_000)
  return {
    sender,
    outcomes,
    reasons,
    /** Returns the messages sent on the current channel. */
    keys: () => channel.keys,
    confirm: (key: string, error?: unknown) => channel.confirm(key, error),
    returned: (key: string) => {
      for (const { id, key: routingKey } of channel.sent.filter((each) => each.key === key)) {
        sender.returned(id, "events", routingKey)
      }
      channel.confirm(key)
    },
    /** Publishes under a key, which stands for the publish. */
    publish: (key: string, bytes = 10) => {
      const message = new AmqpMessage.Message(
        "events",
        key,
        envelope(key, { routingKey: key, body: new Uint8Array(bytes) })
      )
      sender.add(
        new Outgoing(message, now + 10_000, (reason) => {
          outcomes.set(key, reason === undefined ? "published" : reason._tag)
          if (reason !== undefined) reasons.set(key, reason)
        })
      )
    },
    /** Closes the channel, or with it the connection, and goes on with the next one. */
    close: (refusal: Refusal | undefined, isOfConnection = false) => {
      channel.isClosed = true
      const verdict = sender.detach(refusal, isOfConnection)
      channel = new Channel()
      sender.attach(channel, 100_000)
      return verdict
    },
    /** Gives a publish up. */
    interrupt: (key: string) => {
      for (const outgoing of sender.window.waits) if (outgoing.message.routingKey === key) outgoing.isDone = true
    },
    channel: () => channel,
    attach: () => {
      channel = new Channel()
      sender.attach(channel, 100_000)
    },
    elapse: (millis: number) => {
      now += millis
      sender.sweep()
    }
  }
}

/** One whose broker has taken publishes under these keys before. */
const proven = (...keys: ReadonlyArray<string>) => provenOn(new Quarantine(), ...keys)

const provenOn = (quarantine: Quarantine, ...keys: ReadonlyArray<string>) => {
  const rig = make({ quarantine })
  for (const key of keys) {
    rig.publish(key)
    rig.confirm(key)
  }
  rig.close(undefined)
  rig.outcomes.clear()
  return rig
}

describe("AmqpSender", () => {
  it("sends the first message under each routing key alone, and the others together", () => {
    const { confirm, keys, publish } = make()
    for (const key of ["a", "a", "a", "b", "a"]) publish(key)
    assert.deepStrictEqual(keys(), ["a"])
    confirm("a")
    assert.deepStrictEqual(keys(), ["a", "a", "a"])
    confirm("a")
    assert.deepStrictEqual(keys(), ["a", "a", "a", "b"])
    confirm("b")
    assert.deepStrictEqual(keys(), ["a", "a", "a", "b", "a"], "and in their order")
  })

  it("sends what is much larger than all before it alone", () => {
    const { confirm, keys, publish } = proven("a", "b", "c")
    publish("a", 16)
    publish("b", 1000)
    publish("c", 10)
    assert.deepStrictEqual(keys(), ["a"])
    confirm("a")
    assert.deepStrictEqual(keys(), ["a", "b"])
    confirm("b")
    assert.deepStrictEqual(keys(), ["a", "b", "c"])
  })

  it("asks no more once the user may publish under very many keys, until one is refused", () => {
    const many = Array.from({ length: 128 }, (_, i) => `k${i}`)
    const { close, keys, publish } = proven(...many)
    for (const key of ["x", "y", "z"]) publish(key)
    assert.deepStrictEqual(keys(), ["x", "y", "z"])
    close(topic("y"))
    assert.deepStrictEqual(keys(), ["x"])
  })

  it("lets the others go on where a queue does not answer", () => {
    const { elapse, keys, publish } = make()
    for (const key of ["a", "b", "c", "b"]) publish(key)
    for (let i = 0; i < 3; i++) elapse(100)
    assert.deepStrictEqual(keys(), ["a", "b"])
    for (let i = 0; i < 3; i++) elapse(100)
    assert.deepStrictEqual(keys(), ["a", "b", "c"])
    for (let i = 0; i < 3; i++) elapse(100)
    assert.deepStrictEqual(keys(), ["a", "b", "c", "b"], "the key of b is known by then")
  })

  it("settles what is refused, and sends again what was sent before it and what was sent after it", () => {
    const { close, confirm, keys, outcomes, publish, returned } = proven("before", "bad", "after")
    for (const key of ["before", "bad", "after"]) publish(key)
    assert.strictEqual(close(topic("bad")), "newly refused")
    assert.deepStrictEqual([...outcomes], [["bad", "NotPermitted"]])
    assert.deepStrictEqual(keys(), ["before", "after"])
    confirm("before", new Error("message nacked"))
    assert.strictEqual(outcomes.get("before"), "Timeout", "it may have landed the first time")
    confirm("after", new Error("message nacked"))
    assert.strictEqual(outcomes.get("after"), "Nacked", "it has not landed before")
    publish("bad")
    returned("bad")
    assert.strictEqual(outcomes.get("bad"), "Unroutable")
  })

  it("settles all that waits for the same refusal", () => {
    const { close, keys, outcomes, publish } = make()
    for (const key of ["bad", "bad", "good"]) publish(key)
    close(topic("bad"))
    assert.deepStrictEqual([...outcomes], [["bad", "NotPermitted"]])
    assert.deepStrictEqual(keys(), ["good"])
  })

  it("says of several that one refusal may mean that they may have landed", () => {
    const { close, confirm, outcomes, publish, reasons, sender } = proven("a", "b")
    publish("b")
    confirm("b")
    for (const key of ["a", "a", "b"]) publish(key)
    close(topic("a"))
    assert.strictEqual(outcomes.get("a"), "Timeout")
    assert.match(
      String(reasons.get("a")?.message),
      /confirm was lost with its channel \(then: not permitted.*may or may not/s
    )
    confirm("b", new Error("message nacked"))
    assert.strictEqual(outcomes.get("b"), "Nacked", "it came after them")
    assert.strictEqual(sender.window.unconfirmed, 0)
  })

  it("tells a publish whose first sending is open that it may have landed, when the second one is refused", () => {
    const { close, keys, outcomes, publish } = proven("a")
    publish("a")
    close(undefined, true)
    assert.deepStrictEqual(keys(), ["a"])
    close(topic("a"))
    assert.strictEqual(outcomes.get("a"), "Timeout")
  })

  it("says of an event that no queue wants that no queue wants it, even if it was sent before", () => {
    const { close, outcomes, publish, reasons, returned } = proven("a")
    publish("a")
    close(undefined, true)
    returned("a")
    assert.strictEqual(outcomes.get("a"), "Unroutable")
    const reason = reasons.get("a")
    const earlier = reason?._tag === "Unroutable" ? reason.earlier : undefined
    assert.match(String(earlier?.message), /lost with its channel \(then: no queue .* may or may not have landed/)
  })

  it("learns the size that the broker takes, and sends nothing larger any more", () => {
    const { close, confirm, keys, outcomes, publish } = make()
    publish("a", 10)
    confirm("a")
    publish("b", 3000)
    publish("c", 2500)
    close(said(406, "PRECONDITION_FAILED - message size 3000 is larger than configured max size 2000"))
    assert.deepStrictEqual(keys(), [])
    assert.deepStrictEqual(
      [...outcomes],
      [
        ["a", "published"],
        ["b", "TooLarge"],
        ["c", "TooLarge"]
      ]
    )
  })

  it("recognizes a routing key that RabbitMQ has cut", () => {
    const long = `long.${"x".repeat(240)}`
    const { close, keys, outcomes, publish } = proven("a", long)
    for (const key of ["a", long, "a"]) publish(key)
    const text = `ACCESS_REFUSED - access to topic '${long}' in exchange 'events' in vhost '/' refused`
    close(said(403, `${text.slice(0, 252)}...`))
    assert.deepStrictEqual([...outcomes], [[long, "NotPermitted"]])
    assert.deepStrictEqual(keys(), ["a", "a"])
  })

  it("settles what alone was in flight by the broker's words, whatever they are", () => {
    const { close, keys, outcomes, publish, reasons } = make()
    publish("a")
    close(said(406, "PRECONDITION_FAILED - something new"))
    assert.strictEqual(outcomes.get("a"), "Refused")
    assert.include(String(reasons.get("a")?.message), "something new")
    assert.deepStrictEqual(keys(), [])
  })

  for (const words of [
    "PRECONDITION_FAILED - unknown delivery tag 4294967295",
    "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms"
  ]) {
    it(`sends again what was alone in flight when a channel was closed over an acknowledgement: ${words}`, () => {
      const { close, confirm, keys, outcomes, publish } = make()
      publish("a")
      assert.strictEqual(close(said(406, words)), "lost")
      assert.deepStrictEqual(keys(), ["a"])
      confirm("a")
      assert.strictEqual(outcomes.get("a"), "published")
    })
  }

  for (const isOfConnection of [false, true]) {
    const what = isOfConnection ? "connection" : "channel"
    it(`sends nothing a third time that has taken its ${what} down twice`, () => {
      const { close, confirm, keys, outcomes, publish, reasons } = proven("a", "b", "c")
      for (const key of ["a", "b", "c"]) publish(key)
      assert.strictEqual(close(frame, isOfConnection), "suspected")
      assert.deepStrictEqual(keys(), ["a"], "each that may have been it is sent alone")
      confirm("a")
      assert.deepStrictEqual(keys(), ["a", "b"])
      close(frame, isOfConnection)
      assert.strictEqual(outcomes.get("b"), "Refused")
      assert.match(
        String(reasons.get("b")?.message),
        /took its channel or its connection down 2 times: .*frame_too_large/
      )
      assert.deepStrictEqual(keys(), ["c"])
      confirm("c")
      assert.deepStrictEqual([...outcomes.values()], ["published", "Refused", "published"])
    })
  }

  it("blames no message for a connection that an operator closes", () => {
    const { close, confirm, keys, outcomes, publish } = proven("a", "b")
    for (const key of ["a", "b"]) publish(key)
    for (let i = 0; i < 5; i++) {
      close(said(320, "CONNECTION_FORCED - Closed via management plugin"), true)
      assert.deepStrictEqual(keys(), ["a", "b"])
    }
    for (const key of ["a", "b"]) confirm(key)
    assert.deepStrictEqual([...outcomes.values()], ["published", "published"])
  })

  it("sends again, once, what found no exchange where exchanges are declared, and fails it at once where not", () => {
    const gone = said(404, "NOT_FOUND - no exchange 'events' in vhost '/'")
    const declaring = make()
    declaring.publish("a")
    declaring.close(gone)
    assert.deepStrictEqual(declaring.keys(), ["a"])
    declaring.close(gone)
    assert.strictEqual(declaring.outcomes.get("a"), "Refused")

    const others = make({ declares: false })
    for (const key of ["a", "b"]) others.publish(key)
    others.close(gone)
    assert.deepStrictEqual([...others.outcomes.values()], ["Refused", "Refused"])
  })

  it("lets 64 MiB wait to be sent, and no more", () => {
    const { publish, sender } = make()
    const bytes = 1024 * 1024
    for (let i = 0; i < 64; i++) {
      assert.isFalse(sender.window.isFull, String(i))
      publish("a", bytes)
    }
    publish("a", bytes)
    assert.isTrue(sender.window.isFull)
  })
})

/** Two senders on channels of one connection, whose broker has taken publishes under these keys before. */
const neighbours = (...keys: ReadonlyArray<string>) => {
  const quarantine = new Quarantine()
  const both = [provenOn(quarantine, ...keys), provenOn(quarantine, ...keys)] as const
  return {
    both,
    /** Closes the connection, and goes on with the next one. */
    close: (refusal: Refusal | undefined) => {
      for (const { channel } of both) channel().isClosed = true
      for (const { sender } of both) sender.detach(refusal, true)
      for (const { attach } of both) attach()
    },
    keys: () => both.map(({ keys }) => keys().join())
  }
}

describe("AmqpSender, beside another one on its connection", () => {
  it("gives each suspect the connection to itself, so that no other one is blamed", () => {
    const { both, close, keys } = neighbours("a", "b", "bad")
    const [first, second] = both
    first.publish("a")
    second.publish("b")
    second.publish("bad")
    close(frame)
    assert.deepStrictEqual(keys(), ["a", ""])
    first.publish("b")
    assert.deepStrictEqual(keys(), ["a", ""], "nothing else is sent beside it")
    first.confirm("a")
    assert.deepStrictEqual(keys(), ["a", "b"])
    second.confirm("b")
    assert.deepStrictEqual(keys(), ["a,b", "b"], "the last suspect waits for what is in flight")
    first.publish("a")
    first.confirm("b")
    assert.deepStrictEqual(keys(), ["a,b", "b,bad"])
    close(frame)
    assert.deepStrictEqual(
      [...second.outcomes],
      [
        ["b", "published"],
        ["bad", "Refused"]
      ]
    )
    first.publish("b")
    assert.deepStrictEqual(keys(), ["a,b", ""], "they had no part in that")
  })

  it("waits for nothing that does not answer", () => {
    const { both, close, keys } = neighbours("a", "b")
    const [first, second] = both
    for (const { publish } of both) publish("a")
    close(frame)
    assert.deepStrictEqual(keys(), ["a", ""])
    for (let i = 0; i < 4; i++) first.elapse(100)
    assert.deepStrictEqual(keys(), ["a", "a"])
    first.publish("b")
    assert.deepStrictEqual(keys(), ["a", "a"])
    for (let i = 0; i < 4; i++) second.elapse(100)
    assert.deepStrictEqual(keys(), ["a,b", "a"])
    close(frame)
    for (const { outcomes } of both) assert.deepStrictEqual([...outcomes], [], "it may have been the other one")
  })

  it("lets a suspect go where what is in flight beside it does not answer", () => {
    const { both, close, keys } = neighbours("a", "b")
    const [first, second] = both
    first.publish("a")
    close(frame)
    first.channel().isClosed = true
    first.sender.detach(undefined, false)
    second.publish("b")
    first.attach()
    assert.deepStrictEqual(keys(), ["", "b"])
    for (let i = 0; i < 3; i++) first.elapse(100)
    assert.deepStrictEqual(keys(), ["a", "b"])
    second.publish("a")
    for (let i = 0; i < 2; i++) first.elapse(100)
    assert.deepStrictEqual(keys(), ["a", "b"], "and gives it as much time")
    close(frame)
    assert.deepStrictEqual([...first.outcomes], [], "it may have been the other one")
  })

  for (const what of ["is given up", "has waited for too long"]) {
    it(`goes on when a suspect ${what} that waits for what is in flight`, () => {
      const { both, close, keys } = neighbours("a", "b", "c")
      const [first, second] = both
      first.publish("a")
      close(frame)
      first.channel().isClosed = true
      first.sender.detach(undefined, false)
      second.publish("b")
      first.attach()
      second.publish("c")
      assert.deepStrictEqual(keys(), ["", "b"])
      if (what === "is given up") {
        first.interrupt("a")
        first.elapse(100)
      } else first.sender.expire(10_000, () => new PublishError.Timeout({ millis: 1 }))
      assert.deepStrictEqual(keys(), ["", "b,c"])
    })
  }
})
