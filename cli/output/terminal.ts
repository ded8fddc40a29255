/** Where a command prints. `coloured` and `live` are false as soon as a program reads along. */
export interface Terminal {
  /** one line, or several, to stdout */
  print(text: string): void
  /** one line, or several, to stderr */
  complain(text: string): void
  coloured: boolean
  /** the same for stderr, which may lead elsewhere */
  errorsColoured: boolean
  /** lines may be redrawn */
  live: boolean
  /** characters in a line */
  width: number
}

/** The process's own streams. NO_COLOR and FORCE_COLOR are honoured. */
export function terminal(): Terminal {
  const live = process.stdout.isTTY === true && process.env.TERM !== 'dumb'
  return {
    print: (text) => void process.stdout.write(`${text}\n`),
    complain: (text) => void process.stderr.write(`${text}\n`),
    coloured: wantsColour(live, process.env),
    errorsColoured: wantsColour(process.stderr.isTTY === true && process.env.TERM !== 'dumb', process.env),
    live,
    width: process.stdout.columns ?? 120,
  }
}

/** https://no-color.org: set and not empty switches colours off, whatever else is set. */
export function wantsColour(live: boolean, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0') return true
  return live
}
