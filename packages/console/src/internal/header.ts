/**
 * The header of the page's requests, in a module that needs no other: the page sends its
 * first request before the rest of it is there.
 *
 * @internal
 */

export const header = "x-eventbus-console"
