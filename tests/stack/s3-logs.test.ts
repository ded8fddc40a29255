import { SegmentLogStore } from '../../scheduler/worker/log-segments.js'
import type { LogStore } from '../../scheduler/worker/log-store.js'
import { logSuite } from '../scheduler/worker/log-suite.js'
import { S3Place } from './s3-place.js'

logSuite('a bucket', async () => {
  const place = new S3Place()
  const opened: LogStore[] = []
  const again = () => {
    const store = new SegmentLogStore(() => place.open())
    opened.push(store)
    return store
  }
  return {
    store: again(),
    again,
    remove: async () => {
      for (const store of opened) await store.close()
      await place.remove()
    },
  }
})
