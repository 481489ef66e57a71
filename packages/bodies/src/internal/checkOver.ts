/** Throws a `RangeError` if a threshold is no number of bytes. */
export const checkOver = (over: number): void => {
  if (!(Number.isSafeInteger(over) && over >= 0)) {
    throw new RangeError(`over must be a whole number of bytes from 0 up, not ${over}`)
  }
}
