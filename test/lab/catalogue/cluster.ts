import { Effect } from "effect"
import type { Duration } from "effect"
import type { BrokerNode } from "../../support/BrokerNode.ts"
import { breach, eventually } from "../../support/eventually.ts"
import { isWhole } from "../broker/LabBroker.ts"
import type { Cluster } from "../broker/LabBroker.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"
import { usual } from "../workload/HandlerScript.ts"
import { heavy } from "../workload/Workload.ts"

type InCluster = InjectedFault<Cluster>["inject"]

/** A cluster whose leaders change refuses for a moment, and says nothing for another. */
const outage = ["Timeout", "Disconnected", "Nacked"]

/** Where the leaders of the queues are: on the first node, to which the bus is connected, or on another. */
type Leaders = "beside" | "apart"

/** Moves the leaders of all queues to a node. They begin on the one that their declarer is connected to. */
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

/** The node that leads, once it does. */
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

/** Starts nodes that are down, all at once: the last one that went down may have to come first. */
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

/** Two of three are down: nothing may be confirmed until one of them is back. */
const twoKilled =
  (choose: (nodes: Cluster["nodes"]) => ReadonlyArray<BrokerNode>): InCluster =>
  (lab) =>
    Effect.gen(function* () {
      const nodes = choose(lab.broker.nodes)
      yield* kill(nodes)
      // What the two had confirmed may still be on its way.
      yield* Effect.sleep(500)
      const { confirmed } = lab.ledger
      yield* Effect.sleep("3 seconds")
      const since = lab.ledger.confirmed - confirmed
      yield* restart(nodes)
      yield* everyNodeIsBack(lab)
      if (since > 0) return yield* breach(`${since} events confirmed by one node of three`)
    })

/** Stops a node in its tracks, for longer than its neighbours and the bus wait for it. */
const paused =
  (leaders: Leaders): InCluster =>
  (lab) =>
    Effect.gen(function* () {
      const node = yield* leader(lab, leaders)
      yield* Effect.promise(() => node.pause())
      yield* Effect.sleep("12 seconds")
      yield* Effect.promise(() => node.resume())
      // It takes the others for gone, and stays alone until an operator starts it again: again and again, where the
      // others take it for gone meanwhile.
      const startedAgain = Effect.tryPromise(() => node.ctl("stop_app")).pipe(
        Effect.andThen(Effect.tryPromise(() => node.ctl("start_app"))),
        Effect.timeout("20 seconds"),
        // Now and then it hangs in that: what an operator does then is to kill it.
        Effect.catch(() => Effect.andThen(kill([node]), restart([node]))),
        Effect.andThen(everyNodeIsBack(lab, "15 seconds"))
      )
      yield* Effect.sleep("1 second")
      yield* Effect.retry(startedAgain, { times: 3 })
    })

const told = (node: BrokerNode, others: ReadonlyArray<BrokerNode>, say: (other: string) => string) =>
  Effect.promise(() => node.ctl("eval", `${others.map(({ name }) => say(`'${name}'`)).join(", ")}.`))

/** Takes a node out of the sight of its neighbours, which clients still reach, and lets it see them again. */
const cutOff = (lab: Lab<Cluster>, node: BrokerNode, millis: number) =>
  Effect.gen(function* () {
    const others = lab.broker.nodes.filter((other) => other !== node)
    yield* told(node, others, (other) => `erlang:set_cookie(${other}, bad), erlang:disconnect_node(${other})`)
    yield* Effect.sleep(millis)
    yield* told(node, others, (other) => `erlang:set_cookie(${other}, erlang:get_cookie()), net_adm:ping(${other})`)
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
      ...(more.allow?.closes ?? [])
    ]
  }
})

/** What can inject to a cluster of three nodes with quorum queues. */
export const cluster: ReadonlyArray<InjectedFault<Cluster>> = [
  fault("leader-killed", killed(one("beside"), 300)),
  fault("leader-killed-apart", killed(one("apart"), 300)),
  fault("leader-killed-heavy", killed(one("beside"), 300), { shape: heavy, confirmed: 20_000 }),
  fault(
    "follower-killed",
    killed(({ broker }) => Effect.succeed([broker.nodes[2]]), 300)
  ),
  // Classic queues live on one node. While it is down, what is published for them goes nowhere, and RabbitMQ returns it
  // and confirms it. It does not return what another queue takes, so here each event is for one queue. Many wait for
  // their retry, because what expires in a classic wait queue would be lost.
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
  fault(
    "all-killed",
    killed(({ broker }) => Effect.succeed(broker.nodes), 300)
  ),
  // A channel that asks a leader for something while it is paused may fail within RabbitMQ, which takes the connection.
  fault("leader-paused", paused("beside"), { allow: { closes: ["541 INTERNAL_ERROR"] } }),
  fault("leader-paused-apart", paused("apart"), { allow: { closes: ["541 INTERNAL_ERROR"] } }),
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
