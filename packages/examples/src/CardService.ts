/** The card service, which belongs to another company: it is busy at times, and declines some cards. */

import { Config, Context, Effect, Layer, Schema } from "effect"

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

export class CardServiceBusy extends Schema.TaggedError<CardServiceBusy>()("CardServiceBusy", {}) {
  override get message(): string {
    return "the card service is busy"
  }
}

export class CardService extends Context.Service<
  CardService,
  {
    /** Charges a card once for each order, however often it is asked, and returns the number of the receipt. */
    readonly charge: (
      orderId: string,
      card: string,
      cents: number
    ) => Effect.Effect<string, CardDeclined | CardServiceBusy>
  }
>()("examples/CardService") {}

export interface Options {
  /** The call that finds the service busy: 3 is every third. 0: none. */
  readonly busyEvery: number
  /** The largest amount of an order, in cents. */
  readonly limit: number
}

/** A card service that is simulated. */
export const layer = ({ busyEvery, limit }: Options): Layer.Layer<CardService> =>
  Layer.sync(CardService, () => {
    const receipts = new Map<string, string>()
    let calls = 0
    return {
      charge: Effect.fnUntraced(function* (orderId, card, cents) {
        const known = receipts.get(orderId)
        if (known !== undefined) return known
        if (busyEvery > 0 && ++calls % busyEvery === 0) return yield* new CardServiceBusy()
        if (!card.startsWith("card-")) return yield* new CardDeclined({ reason: "the card is not known" })
        if (cents > limit) return yield* new CardDeclined({ reason: `the amount is above ${limit} cents` })
        const receipt = `receipt-${receipts.size + 1}`
        receipts.set(orderId, receipt)
        return receipt
      })
    }
  })

/** Reads `SHOP_CARD_BUSY_EVERY` (3) and `SHOP_CARD_LIMIT` (100000). */
export const layerConfig = Layer.unwrap(
  Effect.map(
    Config.all({
      busyEvery: Config.Int("SHOP_CARD_BUSY_EVERY").pipe(Config.withDefault(3)),
      limit: Config.Int("SHOP_CARD_LIMIT").pipe(Config.withDefault(100_000))
    }),
    layer
  )
)
