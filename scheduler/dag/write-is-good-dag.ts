import { renameSync, writeFileSync } from 'node:fs'
import { operators } from '../../operators/index.js'
import { goodDagModule } from './validate.js'

/** The last step of the build: `node dist/scheduler/dag/write-is-good-dag.js` writes the compiled schema beside itself. */
const fresh = new URL(`is-good-dag.${process.pid}.cjs`, import.meta.url)
writeFileSync(fresh, goodDagModule(operators))
// at once: another process may be reading the one that is there
renameSync(fresh, new URL('is-good-dag.cjs', import.meta.url))
