/** The body of a dead letter, as a tree, as text or as bytes. */
import { type ReactNode, useMemo, useState } from "react"
import type { DeadLetter } from "../../../src/ConsoleModel.ts"
import { Button } from "../parts/Button.tsx"
import { JsonTree } from "../parts/JsonTree.tsx"
import { download } from "../state/download.ts"
import { Foreign } from "../text/Foreign.tsx"
import { parseJson } from "../text/json.ts"

type AnyLetter = typeof DeadLetter.Type

const maxHexRows = 512

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))

/** Formats bytes as rows of sixteen, with their characters beside. */
const hex = (bytes: Uint8Array): string => {
  const rows: Array<string> = []
  for (let at = 0; at < bytes.length && rows.length < maxHexRows; at += 16) {
    const row = [...bytes.subarray(at, at + 16)]
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("")
    rows.push(`${at.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${text}`)
  }
  return rows.join("\n")
}

const Text = (props: { readonly text: string; readonly label: string }): ReactNode => (
  <pre className="body-text" tabIndex={0} role="region" aria-label={props.label}>
    <Foreign text={props.text} lines />
  </pre>
)

const Json = ({ text }: { readonly text: string }): ReactNode => {
  const [view, setView] = useState<"tree" | "text">("tree")
  const value = useMemo(() => parseJson(text), [text])
  if (value === undefined) return <Text text={text} label="Body" />
  return (
    <>
      <div className="segments" role="group" aria-label="View of the body">
        <Button pressed={view === "tree"} kind="quiet" onClick={() => setView("tree")}>
          Tree
        </Button>
        <Button pressed={view === "text"} kind="quiet" onClick={() => setView("text")}>
          Text
        </Button>
      </div>
      {view === "tree" ? (
        <div className="body-tree">
          <JsonTree value={value.json} />
        </div>
      ) : (
        <Text text={text} label="Body as text" />
      )}
    </>
  )
}

export const Body = ({ of }: { readonly of: AnyLetter }): ReactNode => {
  const { body } = of
  const save = () =>
    void download(`${of.id}.ndjson`, `/snapshots/${encodeURIComponent(of.snapshot)}/export`, { ids: of.id })
  if (body._tag === "Hidden")
    return (
      <p className="soft">
        <Foreign text={body.message} />
      </p>
    )
  return (
    <>
      {body._tag === "Json" && !body.isCut ? (
        <Json text={body.text} />
      ) : (
        <Text label="Body" text={body._tag === "Bytes" ? hex(bytesOf(body.base64)) : body.text} />
      )}
      {body.isCut ? <p className="warn-text">Only its beginning is shown. The download has all of it.</p> : null}
      <Button kind="quiet" onClick={save}>
        Download as NDJSON
      </Button>
    </>
  )
}
