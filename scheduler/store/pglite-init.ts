import { PGlite } from '@electric-sql/pglite'
import { compileOnOneThread } from './pglite-options.js'

/** A process of its own: `node pglite-init.js FOLDER` makes a database there and ends, and with it the memory it took. */
const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: pglite-init FOLDER')
compileOnOneThread()
const database = await PGlite.create({ dataDir: folder })
await database.close()
