/** The keys of the console, and where its numbers come from. */
import { Dialog } from "@base-ui/react/dialog"
import type { ReactNode } from "react"

const keys = [
  ["?", "this help"],
  ["g o", "overview"],
  ["g d", "dead letters"],
  ["g j", "jobs"],
  ["g t", "tail"],
  ["g p", "topology"],
  ["g c", "contracts"],
  ["g h", "doctor"],
  ["J", "jobs that run, and those that have ended"],
  ["/", "filter"],
  ["j  k", "next and previous row"],
  ["Enter", "open the row"],
  ["x", "select the row"],
  ["r", "replay …"],
  ["e", "edit …"],
  ["Esc", "close"],
  [".", "copy the page as a command"]
] as const

export const Help = (props: { readonly isOpen: boolean; readonly onClose: () => void }): ReactNode => (
  <Dialog.Root open={props.isOpen} onOpenChange={(open) => (open ? undefined : props.onClose())}>
    <Dialog.Portal>
      <Dialog.Backdrop className="backdrop" />
      <Dialog.Popup className="popup">
        <Dialog.Title className="popup-title">Keys and help</Dialog.Title>
        <Dialog.Description className="popup-text">
          No key changes anything by itself: each asks first. You can switch the keys off at the foot of the menu.
        </Dialog.Description>
        <dl className="key-list">
          {keys.map(([key, text]) => (
            <div key={key}>
              <dt>{key.split(" ").map((part) => (part === "" ? null : <kbd key={part}>{part}</kbd>))}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
        <p className="soft">
          Counts of queues come from the broker every two seconds. Dead letters come from one look, which the server
          keeps: the page never looks again by itself, because a look holds them back for a moment.
        </p>
        <div className="popup-actions">
          <Dialog.Close className="button plain">Close</Dialog.Close>
        </div>
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
)
