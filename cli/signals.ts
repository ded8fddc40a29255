const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** One Ctrl-C may arrive twice within this time: from the terminal, and once more from an `npm start` that hands it on. */
const ECHO_MS = 300

/**
 * Resolves at the first signal that asks this process to end. A second one ends it at once, with the exit code that a shell
 * expects of a process ended by that signal: what is half done is safe in the store.
 * @param asked called at the first signal
 * @param forced the last thing done at the second; must be quick and synchronous
 */
export function untilSignal(asked: (signal: NodeJS.Signals) => void, forced: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | null = null
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (firstAt === null) {
          firstAt = performance.now()
          asked(signal)
          resolve(signal)
        } else if (performance.now() - firstAt > ECHO_MS) {
          forced()
          process.exit(signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 129)
        }
      })
    }
  })
}
