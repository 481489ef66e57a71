/**
 * The script of the demo: a plan, its tasks, and the fate of each task. The fates are
 * fixed, so the totals are known in advance.
 *
 * @since 0.1.0
 */

/**
 * The fate of a task. It succeeds after `fails` transient failures. An `unknown-tool`
 * task always fails, and is not retried. A `malformed` task does not match its schema,
 * so no worker receives it until it is mended.
 *
 * @category models
 * @since 0.1.0
 */
export type Fate = { readonly fails: number } | "unknown-tool" | "malformed"

/**
 * @category models
 * @since 0.1.0
 */
export interface Task {
  readonly id: string
  readonly title: string
  readonly fate: Fate
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly name: string
  readonly tasks: ReadonlyArray<Task>
}

/**
 * The number of retries of a task with transient failures.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxRetries = 3

const succeeds: Fate = { fails: 0 }

/**
 * @category constants
 * @since 0.1.0
 */
export const steps: ReadonlyArray<Step> = [
  {
    name: "gather",
    tasks: [
      { id: "t-01", title: "fetch the sales figures", fate: succeeds },
      { id: "t-02", title: "fetch last year's weather", fate: { fails: 2 } },
      { id: "t-03", title: "read the support inbox", fate: succeeds },
      { id: "t-04", title: "ask the warehouse for its stock", fate: succeeds }
    ]
  },
  {
    name: "analyse",
    tasks: [
      { id: "t-05", title: "find the seasons in the sales", fate: succeeds },
      { id: "t-06", title: "guess next year's weather", fate: "unknown-tool" },
      { id: "t-07", title: "group the complaints", fate: succeeds },
      { id: "t-08", title: "estimate the demand", fate: { fails: 1 } }
    ]
  },
  {
    name: "write",
    tasks: [
      { id: "t-09", title: "draft the report", fate: succeeds },
      { id: "t-10", title: "draw the charts", fate: "malformed" },
      { id: "t-11", title: "translate it into Latin", fate: { fails: Infinity } },
      { id: "t-12", title: "write the summary", fate: succeeds }
    ]
  }
]

/**
 * @category constants
 * @since 0.1.0
 */
export const tasks: ReadonlyArray<Task> = steps.flatMap(({ tasks }) => tasks)

/**
 * The number of retries at the end.
 *
 * @category constants
 * @since 0.1.0
 */
export const plannedRetries: number = tasks.reduce(
  (sum, { fate }) => sum + (typeof fate === "string" ? 0 : Math.min(fate.fails, maxRetries)),
  0
)

/**
 * The task whose dead letter is mended at the end.
 *
 * @category constants
 * @since 0.1.0
 */
export const mended = "t-10"
