/** Puts dead letters back from a file of NDJSON, after a look at it. */
import { Dialog } from "@base-ui/react/dialog"
import { type ReactNode, useState } from "react"
import type { ImportCheck } from "../../../src/ConsoleJob.ts"
import { Button } from "../parts/Button.tsx"
import { CommandLine } from "../parts/Copy.tsx"
import { Failed } from "../parts/Notice.tsx"
import * as actions from "../state/actions.ts"
import { type Problem, problemOf } from "../state/problem.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { bytes, count, counted, time } from "../text/format.ts"

/** A larger file is for the command line. */
const maxBytes = 16 * 1024 * 1024

interface Chosen {
  readonly name: string
  readonly text: string
  readonly check: typeof ImportCheck.Type
}

/** Which of them are there already, so that an import would double them. */
const There = ({ of: { count: all, there } }: { readonly of: Chosen["check"] }): ReactNode => {
  if (there === undefined)
    return <p className="soft">Look again before, to see whether some of them are there already.</p>
  if (there.count === 0) return null
  return (
    <p className="warn-text">
      {there.count === all && all > 1 ? `All ${count(all)} are` : counted(there.count, "is", "are")} there already, by
      the look at {time(there.at)}. The import adds them once more:{" "}
      <span className="mono">
        <Foreign text={there.ids.join(", ")} />
      </span>
      {there.count > there.ids.length ? " …" : ""}
    </p>
  )
}

const Preview = ({ of }: { readonly of: Chosen }): ReactNode => (
  <>
    <p>
      {counted(of.check.count, "dead letter")} of <Foreign text={of.name} />, {bytes(of.check.bytes)} in all.
    </p>
    <ul className="lines">
      {of.check.preview.map((item) => (
        <li key={item.index}>
          <strong>
            <Foreign text={item.reason ?? "no reason"} />
          </strong>{" "}
          <Foreign text={item.message} />{" "}
          <span className="soft">
            <Foreign text={item.type ?? item.id} />
          </span>
        </li>
      ))}
      {of.check.count > of.check.preview.length ? (
        <li className="soft">{`and ${of.check.count - of.check.preview.length} more`}</li>
      ) : null}
    </ul>
    <There of={of.check} />
    {of.check.issues.length === 0 ? null : (
      <ul className="issues">
        {of.check.issues.slice(0, 20).map(({ line, message }, index) => (
          <li key={index}>
            {line === undefined ? "" : `Line ${line}: `}
            <Foreign text={message} />
          </li>
        ))}
      </ul>
    )}
  </>
)

export const Import = ({ queue }: { readonly queue: string }): ReactNode => {
  const [isOpen, setOpen] = useState(false)
  const [chosen, setChosen] = useState<Chosen>()
  const [problem, setProblem] = useState<Problem>()
  const [isActing, setActing] = useState(false)
  const attempt = (f: () => Promise<void>) => {
    setActing(true)
    setProblem(undefined)
    f()
      .catch((error: unknown) => setProblem(problemOf(error)))
      .finally(() => setActing(false))
  }
  const choose = (file: File | undefined) => {
    setChosen(undefined)
    if (file === undefined) return
    attempt(async () => {
      if (file.size > maxBytes)
        throw new Error(`The file has ${bytes(file.size)}. The page takes ${bytes(maxBytes)}; the command takes more.`)
      const text = await file.text()
      setChosen({ name: file.name, text, check: await actions.checkImport(queue, text) })
    })
  }
  const close = () => {
    setOpen(false)
    setChosen(undefined)
    setProblem(undefined)
  }
  return (
    <Dialog.Root open={isOpen} onOpenChange={(open) => (open ? setOpen(true) : close())}>
      <Dialog.Trigger className="button plain">Import …</Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="popup">
          <Dialog.Title className="popup-title">
            Import dead letters of <Foreign text={queue} />
          </Dialog.Title>
          <Dialog.Description className="popup-text">
            Choose a file that an export made. The dead letters are added to those of the queue; none is replayed.
          </Dialog.Description>
          <div className="field">
            <label htmlFor="import-file">NDJSON file</label>
            <input
              id="import-file"
              type="file"
              accept=".ndjson,.jsonl,.json"
              onChange={(event) => choose(event.target.files?.[0])}
            />
          </div>
          {chosen === undefined ? null : <Preview of={chosen} />}
          {problem === undefined ? null : <Failed problem={problem} />}
          <CommandLine text={command(["dlq", "import", queue, chosen?.name ?? "dead-letters.ndjson"])} />
          <div className="popup-actions">
            <Dialog.Close className="button plain">Cancel</Dialog.Close>
            <Button
              kind="main"
              disabled={chosen === undefined || chosen.check.count === 0 || chosen.check.issues.length > 0 || isActing}
              onClick={() => attempt(() => actions.importLines(queue, chosen?.text ?? "").then(close))}
            >
              {isActing
                ? "Asking the server …"
                : chosen === undefined
                  ? "Import"
                  : `Import ${counted(chosen.check.count, "dead letter")}`}
            </Button>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
