import type { Terminal } from './terminal.js'

/** One JSON document on stdout, in the shape that DESIGN 10 fixes for the command. */
export function printJson(value: unknown, out: Terminal): void {
  out.print(JSON.stringify(value, null, 2))
}
