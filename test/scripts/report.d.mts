/** Runs a command, and returns its exit code and what it says. */
export const run: (
  command: string,
  ...rest: ReadonlyArray<string>
) => { readonly status: number; readonly said: string }
