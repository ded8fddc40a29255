import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { DeadlinePassed, within } from '../deadline.js'

/** Work that ends only when it is told to, for the reason it is told. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}

describe('within', () => {
  it('gives what the work gives, and leaves no timer and no listener', async () => {
    const parent = new AbortController()
    const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length
    const before = timers()
    const remove = vi.spyOn(parent.signal, 'removeEventListener')
    expect(await within(60_000, parent.signal, () => Promise.resolve(7))).toBe(7)
    expect(remove).toHaveBeenCalledOnce()
    expect(timers()).toBe(before)
  })

  it('ends work whose time is over', async () => {
    await expect(within(1, undefined, untilAborted)).rejects.toThrow(new DeadlinePassed('not done within 0.001 s'))
  })

  it('ends work for the reason of the other signal', async () => {
    const parent = new AbortController()
    const work = within(60_000, parent.signal, untilAborted)
    const reason = new Error('cancelled by ada')
    parent.abort(reason)
    await expect(work).rejects.toBe(reason)
  })

  it('gives a signal that is aborted when the other one was', async () => {
    const reason = new Error('too late')
    const seen = await within(60_000, AbortSignal.abort(reason), (signal) => Promise.resolve(signal))
    expect(seen.reason).toBe(reason)
  })

  it('waits where a timer of Node could not count so far', async () => {
    const seen = await within(2 ** 40, undefined, async (signal) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return signal.aborted
    })
    expect(seen).toBe(false)
  })

  it('holds its deadline whatever the garbage collector does', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const collect = setInterval(garbageCollector(), 20)
    try {
      const answer = within(300, new AbortController().signal, (signal) =>
        fetch(`http://127.0.0.1:${port}`, { signal }),
      )
      await expect(answer).rejects.toThrow(DeadlinePassed)
    } finally {
      clearInterval(collect)
      server.closeAllConnections()
      server.close()
    }
  })
})

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
