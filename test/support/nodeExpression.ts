/** A text as an Erlang binary, whatever is in it. */
const binary = (text: string): string => `<<${[...Buffer.from(text)].join(",")}>>`

const chars = (text: string): string => `binary_to_list(${binary(text)})`

/** An expression that does something, and says nothing. What it returns must be `ok`. */
const act = (name: string, ...args: ReadonlyArray<string>): string => `begin ok = ${name}(${args.join(", ")}), [] end`

/** The user in whose name it is done. */
const by = binary("tests")

/** An expression that lists rows of a few columns, under a line with their names. */
const table = (columns: ReadonlyArray<string>, rows: (items: string) => string): string => {
  const names = columns.filter((column) => !column.startsWith("--"))
  const header = columns.includes("--no-table-headers") ? "" : `${names.join("\t")}\n`
  const cell =
    'fun({resource, _, _, N}) -> N; (V) when is_binary(V) -> V; (V) when is_atom(V) -> atom_to_list(V); (V) -> io_lib:format("~0tp", [V]) end'
  const line = `[lists:join("\\t", [Cell(V) || {_, V} <- Row]), "\\n"]`
  return `begin Cell = ${cell}, [${binary(header)} | [${line} || Row <- ${rows(`[${names.join(", ")}]`)}]] end`
}

type Write = (vhost: string, ...args: ReadonlyArray<string>) => string

const internal = "rabbit_auth_backend_internal"

const queue = (vhost: string, name: string): string => `rabbit_misc:r(${vhost}, queue, ${binary(name)})`

/** The commands that tests use again and again, by name. */
const commands: { readonly [name: string]: Write | undefined } = {
  eval: (_, code = "") => `io_lib:format("~tp~n", [begin ${code.replace(/\.\s*$/, "")} end])`,
  add_user: (_, user = "", password = "") => act(`${internal}:add_user`, binary(user), binary(password), by),
  delete_user: (_, user = "") => act(`${internal}:delete_user`, binary(user), by),
  set_permissions: (vhost, user = "", ...patterns) =>
    act(`${internal}:set_permissions`, binary(user), vhost, ...patterns.map(binary), by),
  clear_permissions: (vhost, user = "") => act(`${internal}:clear_permissions`, binary(user), vhost, by),
  set_topic_permissions: (vhost, user = "", ...patterns) =>
    act(`${internal}:set_topic_permissions`, binary(user), vhost, ...patterns.map(binary), by),
  add_vhost: (_, name = "") => act("rabbit_vhost:add", binary(name), by),
  set_vhost_limits: (vhost, limits = "") => act("rabbit_vhost_limit:parse_set", vhost, binary(limits), by),
  clear_vhost_limits: (vhost) => act("rabbit_vhost_limit:clear", vhost, by),
  set_policy: (vhost, ...args) => {
    const at = args.indexOf("--apply-to")
    const [name = "", pattern = "", definition = ""] = at < 0 ? args : args.toSpliced(at, 2)
    const to = at < 0 ? "all" : (args[at + 1] ?? "")
    return act(
      "rabbit_policy:parse_set",
      vhost,
      ...[name, pattern, definition].map(binary),
      binary("0"),
      binary(to),
      by
    )
  },
  clear_policy: (vhost, name = "") => act("rabbit_policy:delete", vhost, binary(name), by),
  close_all_connections: (_, reason = "") =>
    act("rabbit_networking:close_connections", "rabbit_networking:connections()", binary(reason)),
  set_vm_memory_high_watermark: (_, kind = "", value = "") =>
    act("vm_memory_monitor:set_vm_memory_high_watermark", `{${kind}, ${chars(value)}}`),
  await_online_nodes: (_, count = "", ...[, seconds = "60"]) =>
    act("rabbit_nodes:await_running_count", count, `${seconds} * 1000`),
  delete_queue: (vhost, name = "") =>
    `begin {ok, _} = rabbit_amqqueue:with(${queue(vhost, name)}, fun(Q) -> rabbit_amqqueue:delete(Q, false, false, ${by}) end), [] end`,
  purge_queue: (vhost, name = "") =>
    `begin {ok, _} = rabbit_amqqueue:with(${queue(vhost, name)}, fun rabbit_amqqueue:purge/1), [] end`,
  list_queues: (vhost, ...columns) => table(columns, (items) => `rabbit_amqqueue:info_all(${vhost}, ${items})`),
  list_bindings: (vhost, ...columns) => table(columns, (items) => `rabbit_binding:info_all(${vhost}, ${items})`),
  list_connections: (_, ...columns) => table(columns, (items) => `rabbit_networking:connection_info_all(${items})`),
  list_channels: (_, ...columns) => table(columns, (items) => `rabbit_channel:info_all(${items})`)
}

/** The options that the commands know. A command with another one is left to `rabbitmqctl`. */
const known = new Set(["--apply-to", "--no-table-headers"])

/**
 * Returns the Erlang expression that does what a command of `rabbitmqctl` does, where there is one. A node evaluates it in a
 * millisecond. To start `rabbitmqctl` takes three seconds of the processor.
 */
export const nodeExpression = (args: ReadonlyArray<string>): string | undefined => {
  const [name = "", ...rest] = args
  const [vhost = "/", ...own] = rest[0] === "-p" ? rest.slice(1) : ["/", ...rest]
  const isKnown = (option: string) => !option.startsWith("--") || known.has(option)
  return own.every(isKnown) ? commands[name]?.(binary(vhost), ...own) : undefined
}
