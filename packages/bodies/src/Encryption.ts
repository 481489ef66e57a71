/**
 * A transform that encrypts payloads.
 *
 * @since 0.1.0
 */

import { createCipheriv, createDecipheriv, createHmac } from "node:crypto"
import * as Aead from "effect/crypto/Aead"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type BodyTransform, type Message, TransformError } from "./BodyTransform.ts"

const keyBytes = 32
const nonceBytes = 12

const utf8 = new TextEncoder()

const tagBytes = 16

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(parts)

/** Node's own code, which answers at once. A publish keeps its place among the others so. */
const implementation: Aead.Implementation = {
  encrypt: (key, nonce, plaintext, aad) => {
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad)
    return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  },
  decrypt: (key, nonce, ciphertext, aad) => {
    const end = ciphertext.length - tagBytes
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(end))
    try {
      return concat(decipher.update(ciphertext.subarray(0, end)), decipher.final())
    } catch {
      return undefined
    }
  }
}

const Crypto = Layer.mergeAll(
  Aead.layerWebCryptoWith({ implementations: { [Aead.aes256Gcm.name]: implementation } }),
  Mac.layerWebCryptoWith({ hmac: (hash, key, data) => createHmac(hash.replace("-", ""), key).update(data).digest() }),
  Kdf.layerWebCrypto
).pipe(Layer.provide(SecureRandom.layerWebCrypto))

/** Returns what a ciphertext is bound to: it opens in a message with the same id and type alone. */
const associated = ({ id, type }: Message): Uint8Array => utf8.encode(JSON.stringify([id ?? null, type ?? null]))

const wrongKey = (id: string) =>
  new TransformError({
    code: "UnknownKey",
    detail: `the body was encrypted with the key "${id}", which this service does not have`
  })

const corrupt = (id: string) =>
  new TransformError({
    code: "BodyCorrupt",
    detail: `the body cannot be decrypted with the key "${id}": it was changed, belongs to another message, or has another key of that id`
  })

/**
 * Creates a transform that encrypts payloads by AES-256-GCM.
 *
 * **Details**
 *
 * `keys` has a key of 32 bytes by its id. The `current` one encrypts, and all decrypt. A
 * message carries the id of its key in the clear. To replace a key: add the new one in
 * all services, then make it current, then remove the old one when no dead letter needs
 * it any more.
 *
 * The id and type of the event are authenticated, so a payload that is moved into
 * another message becomes a dead letter with the reason `BodyCorrupt`. The nonce is
 * derived from the key, the message and the payload, so the same event is always
 * encrypted to the same bytes, and only then is a nonce used twice.
 *
 * Throws a `RangeError` if `current` is not among the keys, or a key has not 32 bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const aes256Gcm = (options: {
  readonly keys: Readonly<Record<string, Redacted.Redacted<Uint8Array>>>
  readonly current: string
}): Effect.Effect<BodyTransform> => {
  const { current, keys } = options
  if (!Object.hasOwn(keys, current)) throw new RangeError(`The current key "${current}" is not among the keys`)
  for (const [id, key] of Object.entries(keys)) {
    const { length } = Redacted.value(key)
    if (length !== keyBytes) throw new RangeError(`The key "${id}" must have ${keyBytes} bytes, not ${length}`)
  }

  const make = Effect.gen(function* () {
    const aead = yield* Aead.Aead
    const mac = yield* Mac.Mac
    const kdf = yield* Kdf.Kdf
    const derive = (key: Uint8Array, purpose: string) =>
      kdf.derive(Kdf.hkdfSha256, key, { salt: new Uint8Array(), info: utf8.encode(purpose), length: keyBytes })
    const derived = new Map(
      yield* Effect.forEach(
        Object.entries(keys),
        Effect.fnUntraced(function* ([id, key]) {
          const secret = Redacted.value(key)
          const encrypting = yield* Aead.key(Aead.aes256Gcm, yield* derive(secret, "effect-eventbus/encrypt"))
          const signing = yield* Mac.key(Mac.hmacSha256, yield* derive(secret, "effect-eventbus/nonce"))
          return [id, { encrypting, signing }] as const
        })
      )
    )
    const keyOf = (id: string) => {
      const key = derived.get(id)
      return key === undefined ? Effect.fail(wrongKey(id)) : Effect.succeed(key)
    }
    const transform: BodyTransform = {
      name: "aes-256-gcm",
      over: 0,
      seal: Effect.fnUntraced(function* (bytes, message) {
        const { encrypting, signing } = yield* keyOf(current)
        const aad = associated(message)
        const length = new Uint8Array(new Uint32Array([aad.length]).buffer)
        const tag = yield* Effect.orDie(mac.sign(signing, concat(length, aad, bytes)))
        const nonce = tag.slice(0, nonceBytes)
        const encrypted = yield* Effect.orDie(aead.encrypt(encrypting, bytes, { nonce, aad }))
        return Option.some({ bytes: concat(nonce, encrypted), parameters: { key: current } })
      }),
      open: Effect.fnUntraced(function* ({ bytes, parameters }, message) {
        const id = String(parameters.key)
        const { encrypting } = yield* keyOf(id)
        const nonce = bytes.slice(0, nonceBytes)
        if (nonce.length < nonceBytes) return yield* corrupt(id)
        return yield* Effect.mapError(
          aead.decrypt(encrypting, bytes.slice(nonceBytes), { nonce, aad: associated(message) }),
          () => corrupt(id)
        )
      })
    }
    return transform
  })
  return make.pipe(Effect.orDie, Effect.provide(Crypto))
}
