/**
 * `eventbus contract`: records the versions of a module's events, and checks that a
 * change can still read them. It needs no broker.
 *
 * @since 0.1.0
 */

import type { Break, Finding } from "@effect-eventbus/inspect/Compatibility"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as lazyImports from "../lazyImports.ts"
import { counted, Output, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"

const against = Flag.String("against").pipe(
  Flag.withDescription("The lock file. Its corpus lies beside it"),
  Flag.withMetavar("FILE"),
  Flag.withDefault("contract.lock.json")
)

const checkFlags = {
  module: Parameters.module,
  against,
  json: Parameters.json("Print each event type as a line of JSON")
}

const cannotRead = ({ consumer, reason, version }: Break): string =>
  `${consumer} cannot read version ${version}${reason === undefined ? "" : ` (${reason})`}`

const advice = {
  any: "deploy in any order",
  consumers: "deploy consumers first",
  producers: "deploy producers first, and consumers when nothing holds the old events",
  neither: "no order of deployments avoids dead letters"
} as const

const describe = (finding: Finding): string => {
  const { breaks, changes, first, isRecorded, readers, type, untried, version } = finding
  const can = breaks.length > 0 && readers.length > 0 ? [`${readers.join(", ")} can`] : []
  const readings = [
    ...breaks.map(cannotRead),
    ...can,
    ...untried.map((each) => `no payload of version ${each} to try: add one to corpus/${type}@${each}`)
  ].join("; ")
  const name = `${type}@${version}`
  if (readings === "") return plain(`${name}: compatible, ${advice[first]}${isRecorded ? "" : "; not recorded yet"}`)
  const what = changes.length === 0 ? "" : `${changes.join(", ")} → `
  return `${plain(`${name}: ${what}${readings}`)}\n  ${advice[first]}`
}

const toJson = (finding: Finding) => ({
  type: finding.type,
  version: finding.version,
  recorded: finding.isRecorded,
  changes: finding.changes,
  breaks: finding.breaks.map(({ consumer, reason, version }) => ({ consumer, version, reason: reason ?? null })),
  readers: finding.readers,
  untried: finding.untried,
  first: finding.first
})

const check = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof checkFlags>) {
  const { Compatibility, Contract, ContractLock } = yield* lazyImports.inspect
  const output = yield* Output
  const lock = yield* ContractLock.read(input.against)
  const findings = yield* Compatibility.check(yield* Contract.load(input.module), lock, input.against)
  yield* Effect.forEach(
    findings,
    (finding) => (input.json ? output.json(toJson(finding)) : output.line(describe(finding))),
    { discard: true }
  )
  const breaking = findings.filter(Compatibility.isBreaking)
  if (breaking.length > 0) {
    return yield* new CommandFailed({
      message: `${counted(breaking.length, "event type")} of ${findings.length} would make dead letters`
    })
  }
})

const recordFlags = {
  module: Parameters.module,
  against,
  deadLetters: Flag.String("dead-letters").pipe(
    Flag.withDescription("Exported dead letters to add to the corpus"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  json: Parameters.json("Print the numbers as a line of JSON")
}

/** Adds the payloads of exported dead letters that the module reads. The others would never pass a check. */
const addDeadLetters = Effect.fnUntraced(function* (file: string, module: string, lockFile: string) {
  const fs = yield* FileSystem.FileSystem
  const { Contract, Corpus } = yield* lazyImports.inspect
  const { DeadLetter, EventCodec } = yield* lazyImports.eventbus
  const { eventTypes } = yield* Contract.load(module)
  const text = yield* Effect.mapError(
    fs.readFileString(file),
    ({ message }) => new CommandFailed({ message: `Cannot read the dead letters: ${message}` })
  )
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  let added = 0
  for (const [index, line] of lines.entries()) {
    const wrong = (error: unknown) =>
      new CommandFailed({ message: `Line ${index + 1} of "${file}" is no dead letter: ${String(error)}` })
    const json: unknown = yield* Effect.try({ try: () => JSON.parse(line), catch: wrong })
    const { envelope } = yield* Effect.fromResult(Result.mapError(DeadLetter.fromJson(json), wrong))
    const raw = Result.getOrUndefined(EventCodec.decoder([])(envelope))
    const type = eventTypes.find(({ name }) => name === raw?.eventType)
    if (raw === undefined || type === undefined || envelope.version === undefined) continue
    const isRead = Result.isSuccess(EventCodec.decoder<ReadonlyArray<typeof type>>([type])(envelope))
    const payload: Schema.JsonObject = raw.payload
    if (isRead) added += yield* Corpus.add(lockFile, type.name, envelope.version, [payload])
  }
  return { added, read: lines.length }
})

const record = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof recordFlags>) {
  const { Contract, ContractLock } = yield* lazyImports.inspect
  const output = yield* Output
  const fs = yield* FileSystem.FileSystem
  const isThere = yield* Effect.orElseSucceed(fs.exists(input.against), () => false)
  const before = isThere ? yield* ContractLock.read(input.against) : ContractLock.empty
  const lock = yield* ContractLock.record(before, yield* Contract.load(input.module), input.against)
  yield* ContractLock.write(input.against, lock)
  const letters = Option.isNone(input.deadLetters)
    ? undefined
    : yield* addDeadLetters(input.deadLetters.value, input.module, input.against)
  const fresh = lock.types.length - before.types.length
  if (input.json) {
    return yield* output.json({ recorded: fresh, versions: lock.types.length, dead_letters: letters?.added ?? 0 })
  }
  yield* output.line(`${counted(lock.types.length, "version")} in ${input.against}, ${fresh} of them new`)
  if (letters !== undefined) {
    yield* output.line(`${counted(letters.added, "payload")} of ${counted(letters.read, "dead letter")} added`)
  }
})

/**
 * @category commands
 * @since 0.1.0
 */
export const contract = Command.make("contract").pipe(
  Command.withShortDescription("Record a module's events, and check a change"),
  Command.withDescription(
    "Record the versions of a module's events in a lock file, and check that a\n" +
      "  changed module still reads them: it names the consumers that could not, and\n" +
      "  says which side to deploy first. It needs no broker."
  ),
  Command.withSubcommands([
    Command.make("record", recordFlags, record).pipe(
      Command.withDescription(
        "Add the versions of a module's events to the lock file, and payloads to its\n" +
          "  corpus. What was recorded before stays."
      ),
      Command.withShortDescription("Add the versions of a module to the lock file"),
      Command.withExamples([{ command: "eventbus contract record --module ./subscriptions.ts" }])
    ),
    Command.make("check", checkFlags, check).pipe(
      Command.withDescription(
        "Check that each consumer reads all recorded versions, and say which side to\n" +
          "  deploy first. Exits with 1 if one cannot."
      ),
      Command.withShortDescription("Exit with 1 if a consumer cannot read a version"),
      Command.withExamples([{ command: "eventbus contract check --module ./subscriptions.ts" }])
    )
  ])
)
