import { Effect } from "effect"
import type { Duration } from "effect"
import type { BrokerNode } from "../../support/BrokerNode.ts"
import { breach, eventually } from "../../support/eventually.ts"
import type { Cluster } from "../broker/LabBroker.ts"
import { isWhole } from "../broker/SharedBroker.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"
import { usual } from "../workload/HandlerScript.ts"
import { heavy } from "../workload/WorkloadShape.ts"

type InCluster = InjectedFault<Cluster>["inject"]

/** The reasons of failed publishes while the leaders of a cluster change. */
const outage = ["Timeout", "Disconnected", "Nacked"]

/** Whether the leaders of the queues are on the first node, to which the bus is connected, or on another one. */
type Leaders = "beside" | "apart"

/** Moves the leaders of all queues to a node. At first they are on the node that the bus is connected to. */
const lead = ({ ctl, name }: Lab<Cluster>, node: BrokerNode) =>
  Effect.gen(function* () {
    const queues = `[Q || Q <- rabbit_amqqueue:list(<<"/">>), amqqueue:get_type(Q) =:= rabbit_quorum_queue]`
    yield* ctl("eval", `[rabbit_quorum_queue:transfer_leadership(Q, '${node.name}') || Q <- ${queues}].`)
    yield* eventually(
      `${node.name} leads`,
      Effect.map(ctl("list_queues", "name", "leader", "--no-table-headers"), (list) =>
        list
          .split("\n")
          .filter((line) => line.startsWith(name) || line.includes(`.${name}`))
          .every((line) => line.endsWith(node.name))
      ),
      { atMost: "30 seconds" }
    )
  })

/** Returns the node with the leaders, after moving them there if necessary. */
const leader = (lab: Lab<Cluster>, leaders: Leaders): Effect.Effect<BrokerNode, unknown> => {
  const [first, second] = lab.broker.nodes
  return leaders === "beside" ? Effect.succeed(first) : Effect.as(lead(lab, second), second)
}

const everyNodeIsBack = ({ broker }: Lab<Cluster>, atMost: Duration.Input = "40 seconds") =>
  eventually(
    "the cluster is whole",
    Effect.promise(() => isWhole(broker.nodes)),
    { atMost, every: 500 }
  )

const kill = (nodes: ReadonlyArray<BrokerNode>) => Effect.promise(() => Promise.all(nodes.map((node) => node.kill())))

/** Starts nodes that are down, all at once, because one of them may wait for the last one that went down. */
const restart = (nodes: ReadonlyArray<BrokerNode>) =>
  Effect.promise(() => Promise.all(nodes.map((node) => node.restart())))

const killed =
  (choose: (lab: Lab<Cluster>) => Effect.Effect<ReadonlyArray<BrokerNode>, unknown>, down: number): InCluster =>
  (lab) =>
    Effect.gen(function* () {
      const nodes = yield* choose(lab)
      yield* kill(nodes)
      yield* Effect.sleep(down)
      yield* restart(nodes)
      yield* everyNodeIsBack(lab)
    })

const one = (leaders: Leaders) => (lab: Lab<Cluster>) => Effect.map(leader(lab, leaders), (node) => [node])

/** Kills two of three nodes. Nothing may be confirmed until one of them is back. */
const twoKilled =
  (choose: (nodes: Cluster["nodes"]) => ReadonlyArray<BrokerNode>): InCluster =>
  (lab) =>
    Effect.gen(function* () {
      const nodes = choose(lab.broker.nodes)
      yield* kill(nodes)
      // Confirms from before the kill may still arrive.
      yield* Effect.sleep(500)
      const { confirmed } = lab.ledger
      yield* Effect.sleep("3 seconds")
      const since = lab.ledger.confirmed - confirmed
      yield* restart(nodes)
      yield* everyNodeIsBack(lab)
      if (since > 0) return yield* breach(`${since} events confirmed by one node of three`)
    })

/** Pauses a node for longer than the other nodes and the bus wait for it. */
const paused =
  (leaders: Leaders): InCluster =>
  (lab) =>
    Effect.gen(function* () {
      const node = yield* leader(lab, leaders)
      yield* Effect.promise(() => node.pause())
      yield* Effect.sleep("12 seconds")
      yield* Effect.promise(() => node.resume())
      // The node regards the others as down and stays apart until an operator restarts its application. This may take
      // several tries, because the others may regard it as down meanwhile.
      const startedAgain = Effect.tryPromise(() => node.ctl("stop_app")).pipe(
        Effect.andThen(Effect.tryPromise(() => node.ctl("start_app"))),
        Effect.timeout("20 seconds"),
        // It sometimes hangs while it stops. An operator then kills it.
        Effect.catch(() => Effect.andThen(kill([node]), restart([node]))),
        Effect.andThen(everyNodeIsBack(lab, "15 seconds"))
      )
      yield* Effect.sleep("1 second")
      yield* Effect.retry(startedAgain, { times: 3 })
    })

const evaluate = (node: BrokerNode, others: ReadonlyArray<BrokerNode>, code: (other: string) => string) =>
  Effect.promise(() => node.ctl("eval", `${others.map(({ name }) => code(`'${name}'`)).join(", ")}.`))

/** Disconnects a node from the other nodes, but not from clients, and reconnects it after a while. */
const cutOff = (lab: Lab<Cluster>, node: BrokerNode, millis: number) =>
  Effect.gen(function* () {
    const others = lab.broker.nodes.filter((other) => other !== node)
    yield* evaluate(node, others, (other) => `erlang:set_cookie(${other}, bad), erlang:disconnect_node(${other})`)
    yield* Effect.sleep(millis)
    yield* evaluate(node, others, (other) => `erlang:set_cookie(${other}, erlang:get_cookie()), net_adm:ping(${other})`)
    yield* everyNodeIsBack(lab)
  })

const partition =
  (leaders: Leaders, choose: (lab: Lab<Cluster>, leader: BrokerNode) => BrokerNode, times = 1): InCluster =>
  (lab) =>
    Effect.flatMap(leader(lab, leaders), (leader) =>
      Effect.replicateEffect(cutOff(lab, choose(lab, leader), 6000 / times), times, { discard: true })
    )

const fault = (
  name: string,
  inject: InCluster,
  more: Partial<InjectedFault<Cluster>> = {}
): InjectedFault<Cluster> => ({
  ...more,
  name,
  inject,
  allow: {
    failures: outage,
    landed: ["Nacked"],
    disruptions: 3,
    recovery: 60_000,
    ...more.allow,
    closes: [
      "320 CONNECTION_FORCED",
      "406 PRECONDITION_FAILED - delivery acknowledgement",
      // A channel that calls a queue whose leader is down or paused may crash inside RabbitMQ, which then closes the connection.
      "541 INTERNAL_ERROR",
      ...(more.allow?.closes ?? [])
    ]
  }
})

/** Faults of a cluster of three nodes. */
export const cluster: ReadonlyArray<InjectedFault<Cluster>> = [
  fault("leader-killed", killed(one("beside"), 300)),
  fault("leader-killed-apart", killed(one("apart"), 300)),
  fault("leader-killed-heavy", killed(one("beside"), 300), { shape: heavy, confirmed: 20_000 }),
  fault(
    "follower-killed",
    killed(({ broker }) => Effect.succeed([broker.nodes[2]]), 300)
  ),
  // A classic queue lives on one node. While it is down, RabbitMQ returns and confirms what is published to it. It does
  // not return a message that another queue takes, so here each event is for one queue. Many events wait for a retry,
  // because a message that expires in a classic wait queue would be lost.
  fault("classic-home-killed", killed(one("beside"), 2000), {
    shape: { fanout: false, scripts: { ...usual, flaky: 40 } },
    options: { queueType: "classic" },
    allow: { failures: [...outage, "Unroutable"], closes: ["404 NOT_FOUND - home node"] }
  }),
  fault(
    "two-killed",
    twoKilled(([, second, third]) => [second, third])
  ),
  fault(
    "two-killed-with-leader",
    twoKilled(([first, second]) => [first, second])
  ),
  // A cluster of RabbitMQ 3.10 whose nodes are all killed forgets the queues and exchanges of the last second, with all
  // confirmed messages in them. So the queues for retries must be older than that.
  fault(
    "all-killed",
    killed(({ broker }) => Effect.as(Effect.sleep("2 seconds"), broker.nodes), 300)
  ),
  fault("leader-paused", paused("beside")),
  fault("leader-paused-apart", paused("apart")),
  fault(
    "partition",
    partition("beside", (_, leader) => leader)
  ),
  fault(
    "partition-of-leader",
    partition("apart", (_, leader) => leader)
  ),
  fault(
    "partition-of-client",
    partition("apart", ({ broker }) => broker.nodes[0])
  ),
  fault(
    "partition-thrice",
    partition("beside", (_, leader) => leader, 3)
  ),
  fault("rolling-restart", (lab) =>
    Effect.forEach(
      lab.broker.nodes,
      (node) =>
        Effect.gen(function* () {
          yield* Effect.promise(() => node.terminate())
          yield* restart([node])
          yield* everyNodeIsBack(lab)
        }),
      { discard: true }
    )
  )
]
