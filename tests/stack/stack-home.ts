import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where the programs of the stack are installed. */
export function stackHome(): string {
  return process.env.STACK_HOME ?? join(homedir(), '.cache', 'lake-stack')
}
