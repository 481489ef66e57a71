/** The command that does the same, to copy. */
import { type ReactNode, useEffect, useState } from "react"
import { visible } from "../text/escape.ts"
import { Icon } from "./Icon.tsx"

const useCopy = (text: string) => {
  const [state, setState] = useState<"" | "Copied" | "Select the text and copy it">("")
  useEffect(() => {
    if (state === "") return
    const timer = setTimeout(() => setState(""), 2500)
    return () => clearTimeout(timer)
  }, [state])
  const copy = () => {
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"))
    done.then(
      () => setState("Copied"),
      () => setState("Select the text and copy it")
    )
  }
  return { copy, state }
}

/** A button that copies a command. `.` presses the one of the page. */
export const CopyCommand = (props: { readonly text: string; readonly ofPage?: boolean }): ReactNode => {
  const { copy, state } = useCopy(props.text)
  return (
    <span className="copy">
      <button
        type="button"
        className="button quiet"
        onClick={copy}
        title={visible(props.text)}
        data-copy={props.ofPage === true ? "page" : undefined}
        aria-keyshortcuts={props.ofPage === true ? "." : undefined}
      >
        <Icon name="terminal" /> Copy as command
      </button>
      <span role="status" className="copied">
        {state}
      </span>
    </span>
  )
}

/** A command that is shown, with a button that copies it. */
export const CommandLine = (props: { readonly text: string }): ReactNode => {
  const { copy, state } = useCopy(props.text)
  return (
    <div className="command">
      <code>{visible(props.text)}</code>
      <button type="button" className="button quiet" onClick={copy} aria-label="Copy the command">
        <Icon name="copy" /> <span role="status">{state === "" ? "Copy" : state}</span>
      </button>
    </div>
  )
}
