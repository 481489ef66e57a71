/** A table whose columns are said once: their heads, their cells, and the labels of the cells where rows are stacked. */
import type { ReactNode } from "react"

export interface Column<A> {
  /** Empty where the cells need no head: buttons, and drawings that the words beside them explain. */
  readonly name: string
  readonly cell: (row: A) => ReactNode
  readonly kind?: "number" | "drawing" | undefined
  readonly tone?: ((row: A) => string | undefined) | undefined
}

export type Columns<A> = readonly [first: Column<A>, ...rest: ReadonlyArray<Column<A>>]

const classes = (...names: ReadonlyArray<string | undefined>): string | undefined =>
  names.filter((name) => name !== undefined).join(" ") || undefined

const Heading = <A,>({ of: { kind, name } }: { readonly of: Column<A> }): ReactNode =>
  name === "" ? (
    <td aria-hidden={kind === "drawing" ? "true" : undefined} />
  ) : (
    <th scope="col" className={kind === "number" ? "number" : undefined}>
      {name}
    </th>
  )

const Cell = <A,>(props: { readonly of: Column<A>; readonly row: A }): ReactNode => {
  const { of, row } = props
  const { cell, kind, name, tone } = of
  if (kind === "drawing") {
    return (
      <td className="map" aria-hidden="true">
        {cell(row)}
      </td>
    )
  }
  return (
    <td
      data-label={name === "" ? undefined : name}
      className={classes(kind === "number" ? "number" : undefined, tone?.(row))}
    >
      {cell(row)}
    </td>
  )
}

/** The first column names the row. */
export const Table = <A,>(props: {
  readonly caption: string
  readonly className: string
  readonly columns: Columns<A>
  readonly rows: ReadonlyArray<A>
  readonly keyOf: (row: A) => string
}): ReactNode => {
  const { caption, className, columns, keyOf, rows } = props
  const [first, ...rest] = columns
  return (
    <table className={`table ${className}`}>
      <caption className="hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column, index) => (
            <Heading key={index} of={column} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            <th scope="row">{first.cell(row)}</th>
            {rest.map((column, index) => (
              <Cell key={index} of={column} row={row} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
