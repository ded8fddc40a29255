import type { Terminal } from './terminal.js'

/** One JSON document on stdout, in a shape of scheduler/shapes.ts. */
export function printJson(value: unknown, out: Terminal): void {
  out.print(JSON.stringify(value, null, 2))
}
