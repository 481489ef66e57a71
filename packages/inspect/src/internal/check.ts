/**
 * The result of a check of a diagnosis.
 *
 * @internal
 */

/**
 * The result of a check. `skip` means that it was not possible.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = { readonly check: string; readonly detail: string } & (
  | { readonly status: "ok" }
  | { readonly status: "warn" | "fail" | "skip"; readonly advice: string }
)
