import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { SluiceEvent } from '../../scheduler/events.js'
import { type Reading, Topic } from '../../webserver/live/topic.js'

const EVENT: SluiceEvent = { kind: 'dags' }

/** A source whose readings the test answers, one after the other. */
class AnsweredSource {
  readonly key = 'answered'
  readonly gatherMs = 1
  readonly everyMs = null
  readonly #asked: ((reading: Reading) => void)[] = []
  #bell: () => void = () => undefined

  load(): Promise<Reading> {
    return new Promise((resolve) => {
      this.#asked.push(resolve)
      this.#bell()
    })
  }

  matches(): boolean {
    return true
  }

  /** Waits for the next reading to be asked for; the value answers it. */
  async asked(): Promise<(value: string, over?: boolean) => void> {
    while (this.#asked.length === 0) await new Promise<void>((resolve) => (this.#bell = resolve))
    const answer = this.#asked.shift()
    return (value, over = false) => answer?.({ items: [{ key: 'a', event: 'task', data: value }], over, mark: value })
  }
}

/** What one reader has been sent: the data of each event. */
class Reader {
  readonly stream = new PassThrough()
  readonly #chunks = this.stream[Symbol.asyncIterator]()

  async next(): Promise<string> {
    const { value, done } = await this.#chunks.next()
    return done ? 'end' : String(value).replaceAll(/event: (\w+)\ndata: (.*)\n\n/g, '$1 $2;')
  }
}

function join(topic: Topic, reader: Reader, mark = ''): Promise<void> {
  return topic.add(
    reader.stream,
    (current) => current === mark,
    () => undefined,
  )
}

describe('a topic', () => {
  it('tells what is there, then only what changes', async () => {
    const source = new AnsweredSource()
    const topic = new Topic(source, () => undefined)
    const reader = new Reader()
    const joined = join(topic, reader)
    ;(await source.asked())('one')
    await joined
    expect(await reader.next()).toBe('task one;')
    topic.announce(EVENT)
    ;(await source.asked())('one')
    topic.announce(EVENT)
    ;(await source.asked())('two')
    expect(await reader.next()).toBe('task two;')
    topic.stop()
  })

  it('reads again when something is announced while it reads', async () => {
    const source = new AnsweredSource()
    const topic = new Topic(source, () => undefined)
    const reader = new Reader()
    const joined = join(topic, reader, 'one')
    ;(await source.asked())('one')
    await joined
    topic.announce(EVENT)
    const answerOld = await source.asked()
    topic.announce(EVENT)
    answerOld('one')
    ;(await source.asked())('two')
    expect(await reader.next()).toBe('task two;')
    topic.stop()
  })

  it('brings a newcomer up to date whose reading was overtaken', async () => {
    const source = new AnsweredSource()
    const topic = new Topic(source, () => undefined)
    const [first, late] = [new Reader(), new Reader()]
    const joined = join(topic, first, 'one')
    ;(await source.asked())('one')
    await joined
    const joining = join(topic, late)
    const answerLate = await source.asked()
    topic.announce(EVENT)
    ;(await source.asked())('two')
    expect(await first.next()).toBe('task two;')
    answerLate('one')
    await joining
    expect(await late.next()).toBe('task one;')
    ;(await source.asked())('two')
    expect(await late.next()).toBe('task two;')
    topic.stop()
  })

  it('ends every stream once it is over, and forgets itself', async () => {
    const source = new AnsweredSource()
    let forgotten = 0
    const topic = new Topic(source, () => (forgotten += 1))
    const reader = new Reader()
    const joined = join(topic, reader, 'one')
    ;(await source.asked())('one')
    await joined
    topic.announce(EVENT)
    ;(await source.asked())('two', true)
    let told = ''
    for (let next = await reader.next(); next !== 'end'; next = await reader.next()) told += next
    expect(told).toBe('task two;over {};')
    expect(forgotten).toBeGreaterThan(0)
  })

  it('cuts off a reader who does not read, and goes on for the others', async () => {
    const source = new AnsweredSource()
    const topic = new Topic(source, () => undefined)
    const [quick, slow] = [new Reader(), new PassThrough({ highWaterMark: 1 })]
    const joined = join(topic, quick, 'one')
    ;(await source.asked())('one')
    await joined
    const joining = topic.add(
      slow,
      () => true,
      () => undefined,
    )
    ;(await source.asked())('one')
    await joining
    slow.write('x'.repeat(3_000_000))
    slow.write('x'.repeat(3_000_000))
    topic.announce(EVENT)
    ;(await source.asked())('two')
    expect(await quick.next()).toBe('task two;')
    expect(slow.destroyed).toBe(true)
    topic.stop()
  })
})
