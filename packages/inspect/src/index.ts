/**
 * The operators' view of a bus, as data: what an application declares, what its
 * broker has, and what became of its events. The `eventbus` command renders it for a
 * terminal.
 *
 * @since 0.1.0
 */

export * as AsyncApi from "./AsyncApi.ts"
export * as BrokerConnection from "./BrokerConnection.ts"
export * as Compatibility from "./Compatibility.ts"
export * as Contract from "./Contract.ts"
export * as ContractError from "./ContractError.ts"
export * as ContractLock from "./ContractLock.ts"
export * as Corpus from "./Corpus.ts"
export * as Diagnosis from "./Diagnosis.ts"
export * as Explanation from "./Explanation.ts"
export * as Management from "./Management.ts"
export * as ManagementError from "./ManagementError.ts"
export * as OutcomeText from "./OutcomeText.ts"
export * as Prune from "./Prune.ts"
export * as QueueLimit from "./QueueLimit.ts"
export * as QueueReport from "./QueueReport.ts"
export * as Retries from "./Retries.ts"
export * as Span from "./Span.ts"
export * as TopologyReport from "./TopologyReport.ts"
export * as TraceFollower from "./TraceFollower.ts"
