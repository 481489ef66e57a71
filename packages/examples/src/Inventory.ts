/** The numbers of what the shop has in stock. */

import { Config, Context, Effect, Layer } from "effect"

/** The result of a reservation, and the number that is left. */
export interface Reservation {
  readonly isReserved: boolean
  readonly left: number
}

export class Inventory extends Context.Service<
  Inventory,
  {
    /** Reserves some of an article, once for each order, however often it is asked. */
    readonly reserve: (orderId: string, sku: string, quantity: number) => Effect.Effect<Reservation>
  }
>()("examples/Inventory") {}

/** An inventory in memory, with the same number of each article. */
export const layer = (each: number): Layer.Layer<Inventory> =>
  Layer.sync(Inventory, () => {
    const stock = new Map<string, number>()
    const reserved = new Map<string, Reservation>()
    return {
      reserve: (orderId, sku, quantity) =>
        Effect.sync(() => {
          const known = reserved.get(orderId)
          if (known !== undefined) return known
          const left = stock.get(sku) ?? each
          if (left < quantity) return { isReserved: false, left }
          const reservation = { isReserved: true, left: left - quantity }
          stock.set(sku, reservation.left)
          reserved.set(orderId, reservation)
          return reservation
        })
    }
  })

/** Reads `SHOP_STOCK`, the number of each article (100). */
export const layerConfig = Layer.unwrap(Effect.map(Config.Int("SHOP_STOCK").pipe(Config.withDefault(100)), layer))
