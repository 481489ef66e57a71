/** A question before something is done. The answer of the server closes it, and nothing earlier. */
import { AlertDialog } from "@base-ui/react/alert-dialog"
import { type ReactNode, useId, useRef, useState } from "react"
import { type Problem, problemOf } from "../state/problem.ts"
import { Foreign } from "../text/Foreign.tsx"
import { CommandLine } from "./Copy.tsx"
import { Failed } from "./Notice.tsx"

export interface Question {
  readonly title: ReactNode
  readonly text: ReactNode
  /** The text that must be typed before. */
  readonly typed?: { readonly label: string; readonly text: string } | undefined
  readonly command?: string | undefined
  readonly yes: string
  readonly no: string
  readonly isDangerous?: boolean
  readonly isReady?: boolean
  readonly act: () => Promise<unknown>
  /** More than the problem itself, such as a download that it asks for. */
  readonly onProblem?: (problem: Problem) => ReactNode
}

export const Ask = (props: { readonly question: Question; readonly onClose: () => void }): ReactNode => {
  const { onClose, question } = props
  const { act, command, isDangerous = false, isReady = true, no, onProblem, text, title, typed, yes } = question
  const cancel = useRef<HTMLButtonElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const [word, setWord] = useState("")
  const [isActing, setActing] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const label = useId()
  const isTyped = typed === undefined || word === typed.text
  const confirm = () => {
    if (!isTyped || isActing || !isReady) return
    setActing(true)
    setProblem(undefined)
    act().then(onClose, (error: unknown) => {
      setProblem(problemOf(error))
      setActing(false)
    })
  }
  return (
    <AlertDialog.Root open onOpenChange={(open) => (open ? undefined : onClose())}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="backdrop" />
        <AlertDialog.Popup className="popup" initialFocus={typed === undefined ? cancel : field}>
          <AlertDialog.Title className="popup-title">{title}</AlertDialog.Title>
          <AlertDialog.Description render={<div />} className="popup-text">
            {text}
          </AlertDialog.Description>
          {typed === undefined ? null : (
            <div className="field">
              <label htmlFor={label}>
                {typed.label}{" "}
                <strong className="mono">
                  <Foreign text={typed.text} />
                </strong>
              </label>
              <input
                id={label}
                ref={field}
                value={word}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setWord(event.target.value)}
                onKeyDown={(event) => (event.key === "Enter" ? confirm() : undefined)}
              />
            </div>
          )}
          {problem === undefined ? null : <Failed problem={problem} action={onProblem?.(problem)} />}
          {command === undefined ? null : <CommandLine text={command} />}
          <div className="popup-actions">
            <AlertDialog.Close className="button plain" ref={cancel}>
              {no}
            </AlertDialog.Close>
            <button
              type="button"
              className={`button ${isDangerous ? "danger" : "main"}`}
              disabled={!isTyped || isActing || !isReady}
              onClick={confirm}
            >
              {isActing ? "Asking the server …" : yes}
            </button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
