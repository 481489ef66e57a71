// Reads the reports of the tests and of the fault lab:
//   node test/scripts/report.mjs again tests|faults REPORT SECOND-RUNS
//   node test/scripts/report.mjs second-runs SECOND-RUNS
//   node test/scripts/report.mjs sum REPORT…
import { appendFileSync, existsSync, readFileSync, realpathSync } from "node:fs"
import { basename, relative } from "node:path"
import { pathToFileURL } from "node:url"

const read = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined)
const linesOf = (path) => (existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [])

// A file that could not be loaded has failed, although it has no tests.
const hasFailed = ({ status }) => status === "failed"
const nameOf = ({ name }) => relative("test", name)

// What a busy machine cannot be the reason of: a loss, a leak, an event that is not settled, or too many duplicates.
const graveWords = /\blost=[1-9]|\bleft=[1-9]|\blos[te]s?\b|\bleak|\bduplicate|\btwice\b|unsettled|leaves nothing|grow/i
// The expectations of the lab that are about such things. All others only take their time.
const graveExpectations =
  /is handled|nothing waits|is left|has no connection|finished the work|every publisher ends|the bus is closed/

const isSlowness = (breach) => breach.startsWith("not within ") && !graveExpectations.test(breach)

const failures = {
  tests: (report) =>
    (report?.testResults ?? []).filter(hasFailed).map((file) => {
      const failed = file.assertionResults.filter(hasFailed)
      const texts = failed.flatMap(({ failureMessages, fullName }) => [fullName, ...failureMessages])
      const breaches = texts.flatMap((text) => [...text.matchAll(/✗ (.*)/g)].map(([, breach]) => breach))
      const isGrave = texts.some((text) => graveWords.test(text)) || !breaches.every(isSlowness)
      return { name: nameOf(file), options: nameOf(file), isGrave }
    }),
  faults: (report) =>
    (report?.rows ?? [])
      .filter(({ breaches, lost }) => breaches.length > 0 || lost > 0)
      .map(({ breaches, fault, lost }) => {
        const isGrave = lost > 0 || !breaches.every(isSlowness)
        return { name: fault, options: `--only ${fault} --seed ${report.seed}`, isGrave, reason: breaches.join("\n") }
      })
}

// CI shows the last 12,000 characters of its output. The reasons share what the rest leaves of them.
const reasonLength = 1_500
const reasonsLength = 8_000
const reasonLines = 15
const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g")

/** The start of a message, each line of it indented, in its share of what the reasons of all failures may take. */
const reasonOf = (message, failures) => {
  const whole = message.replace(colours, "").trim()
  const cut = whole
    .slice(0, Math.min(reasonLength, Math.floor(reasonsLength / failures)))
    .split("\n")
    .slice(0, reasonLines)
    .map((line) => `  ${line}`.trimEnd())
    .join("\n")
  return whole === "" ? "" : `\n${cut}`
}

const refuse = (why) => ({ status: 1, said: `No second run: ${why}` })

const commands = {
  /**
   * Returns the options that run what failed once more, and records that. One test file and one fault get a second run in
   * all, for they may only have been too slow.
   */
  again: (kind, path, secondRuns) => {
    const failed = failures[kind](read(path))
    const [first] = failed
    if (first === undefined) return refuse("the report names no failure")
    const grave = failed.filter(({ isGrave }) => isGrave).map(({ name }) => name)
    const reasons = failed.map(({ name, reason = "" }) => (reason === "" ? "" : `\n${name}:${reasonOf(reason, 4)}`))
    const why = reasons.join("").slice(0, 2_500)
    if (grave.length > 0) return refuse(`slowness is not the reason of what failed in ${grave.join(", ")}${why}`)
    if (failed.length > 1) return refuse(`${failed.length} failed: ${failed.map(({ name }) => name).join(", ")}${why}`)
    if (linesOf(secondRuns).some((line) => line.startsWith(kind)))
      return refuse(`another one of the ${kind} has had it`)
    appendFileSync(secondRuns, `${kind} (${basename(path, ".json")}): ${first.name}\n`)
    return { status: 0, said: first.options }
  },

  /** Returns the second runs. */
  "second-runs": (path) => {
    const lines = linesOf(path).map((line) => `Second run: ${line}`)
    return { status: 0, said: lines.length === 0 ? "Nothing got a second run." : lines.join("\n") }
  },

  /**
   * Returns why tests failed in their first run, and how many passed, failed and were skipped in their last one. Fails if
   * not all files passed.
   */
  sum: (...paths) => {
    const runs = paths.map(read).filter((report) => report !== undefined)
    const files = new Map(runs.flatMap(({ testResults }) => testResults).map((file) => [file.name, file]))
    const lines = files.size === 0 ? ["There is no report of the tests."] : []
    const failures = (runs[0]?.testResults ?? []).filter(hasFailed).flatMap((file) => {
      const what = `${hasFailed(files.get(file.name)) ? "Failed" : "Failed at first"}: ${nameOf(file)}`
      const tests = file.assertionResults
        .filter(hasFailed)
        .map(({ failureMessages: [message = ""], fullName }) => ({ title: `${what}: ${fullName}`, message }))
      return tests.length > 0 ? tests : [{ title: `${what} as a whole`, message: file.message ?? "" }]
    })
    for (const { message, title } of failures) lines.push(title + reasonOf(message, failures.length))
    const all = [...files.values()]
    const tests = all.flatMap(({ assertionResults }) => assertionResults)
    const count = (status) => tests.filter((test) => test.status === status).length
    const failed = Math.max(count("failed"), all.filter(hasFailed).length)
    // A file is skipped as a whole when its broker is missing.
    const skipped = all.filter(
      (file) => !hasFailed(file) && !file.assertionResults.some(({ status }) => status === "passed")
    )
    for (const file of skipped) lines.push(`Skipped as a whole: ${nameOf(file)}`)
    lines.push(
      `${count("passed")} passed, ${failed} failed, ${count("skipped") + count("pending") + count("todo")} skipped`
    )
    const isRight = skipped.length === 0 && failed === 0 && count("passed") > 0
    return { status: isRight ? 0 : 1, said: lines.join("\n") }
  }
}

/** Runs a command, and returns its exit code and what it says. */
export const run = (command, ...rest) => commands[command](...rest)

const [, script] = process.argv
if (script !== undefined && import.meta.url === pathToFileURL(realpathSync(script)).href) {
  const { said, status } = run(...process.argv.slice(2))
  if (status === 1 && said.startsWith("No second run")) console.error(said)
  else console.log(said)
  process.exitCode = status
}
