import type { Instant } from '../../json.js'
import type { Host } from './host.js'
import type { Prng } from './prng.js'
import type { VirtualTime } from './virtual-time.js'

export interface LeavingWorld {
  time: VirtualTime
  /** of its own, so that what happens here draws nothing from the chance of the rest */
  random: Prng
  /** of the workers of a cluster */
  hosts: readonly Host[]
  /** what the worker of a host does to sign off; it may never come to its end */
  signOff: (host: Host) => Promise<void>
}

/** Machines that are away for longer than a crash takes, in some seeds: one or two of the workers, one of several for good. */
export function beginLeaving({ time, random, hosts, signOff }: LeavingWorld, until: Instant): void {
  if (hosts.length === 0 || !random.chance(0.5)) return
  let forGood = hosts.length > 1 && random.chance(0.6)
  const times = random.int(1, 2)
  for (let index = 0; index < times; index += 1) {
    const host = random.pick(hosts)
    const awayMs = forGood ? null : random.int(70_000, 150_000)
    const signsOff = random.chance(0.4)
    forGood = false
    time.schedule(random.int(time.now + 8_000, until), () => {
      if (!signsOff) host.leave(awayMs)
      else void signOff(host).then(() => host.leave(awayMs))
    })
  }
}
