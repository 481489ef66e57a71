// Reads the reports of the tests and of the fault lab: `node test/scripts/report.mjs failed|breached|sum FILE…`.
import { existsSync, readFileSync } from "node:fs"
import { relative } from "node:path"

const [question, ...paths] = process.argv.slice(2)
const reports = paths.filter((path) => existsSync(path)).map((path) => JSON.parse(readFileSync(path, "utf8")))

// A file that could not be loaded has failed, although it has no tests.
const hasFailed = ({ status }) => status === "failed"
const nameOf = ({ name }) => relative("test", name)

const questions = {
  /** Prints the files in which a test failed. Fails if there are none, or if an event was lost. */
  failed: ([tests]) => {
    const files = (tests?.testResults ?? []).filter(hasFailed)
    const messages = files.flatMap(({ assertionResults }) => assertionResults.flatMap((test) => test.failureMessages))
    if (files.length === 0 || messages.some((message) => /\blost=[1-9]/.test(message))) process.exit(1)
    console.log(files.map(nameOf).join(" "))
  },

  /** Prints the options that run the breached faults again. Fails if there are none, or if an event was lost. */
  breached: ([faults]) => {
    const rows = faults?.rows ?? []
    const names = rows.filter(({ breaches }) => breaches.length > 0).map(({ fault }) => fault)
    if (names.length === 0 || rows.some(({ lost }) => lost > 0)) process.exit(1)
    console.log(`--only ${names.join(",")} --seed ${faults.seed}`)
  },

  /** Prints how many tests passed, failed and were skipped in their last run. Fails if not all files passed. */
  sum: (runs) => {
    const files = new Map(runs.flatMap(({ testResults }) => testResults).map((file) => [file.name, file]))
    if (files.size === 0) console.log("There is no report of the tests.")
    for (const file of runs[0]?.testResults ?? []) {
      const failures = file.assertionResults.filter(hasFailed).map(({ fullName }) => fullName)
      const what = hasFailed(files.get(file.name)) ? "Failed" : "Failed at first"
      for (const failure of failures) console.log(`${what}: ${nameOf(file)}: ${failure}`)
      if (hasFailed(file) && failures.length === 0) console.log(`${what}: ${nameOf(file)} as a whole`)
    }
    const all = [...files.values()]
    const tests = all.flatMap(({ assertionResults }) => assertionResults)
    const count = (status) => tests.filter((test) => test.status === status).length
    const failed = Math.max(count("failed"), all.filter(hasFailed).length)
    // A file is skipped as a whole when its broker is missing.
    const skipped = all.filter(
      (file) => !hasFailed(file) && !file.assertionResults.some(({ status }) => status === "passed")
    )
    for (const file of skipped) console.log(`Skipped as a whole: ${nameOf(file)}`)
    console.log(
      `${count("passed")} passed, ${failed} failed, ${count("skipped") + count("pending") + count("todo")} skipped`
    )
    process.exit(skipped.length === 0 && failed === 0 && count("passed") > 0 ? 0 : 1)
  }
}

questions[question](reports)
