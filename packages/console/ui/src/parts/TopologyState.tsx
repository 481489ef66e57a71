/** The state of an exchange, a queue or a binding on the broker. */
import type { ReactNode } from "react"
import type { Finding } from "../../../src/ConsoleInspection.ts"

const states = {
  there: ["good", "there"],
  missing: ["bad", "missing"],
  different: ["bad", "differs"],
  unseen: ["plain", "not seen"],
  hidden: ["plain", "hidden"],
  unwanted: ["warn", "unwanted"]
} as const

export const TopologyState = ({ of }: { readonly of: (typeof Finding.Type)["state"] }): ReactNode => {
  const [tone, word] = states[of]
  return <span className={`tag ${tone}`}>{word}</span>
}
