import { setFlagsFromString } from 'node:v8'
import { PGlite, type PGliteOptions, types } from '@electric-sql/pglite'

const TIMESTAMPTZ = 1184
const INT8 = 20
const NUMERIC = 1700
const TEXT_ARRAY = 1009
const INT4_ARRAY = 1007

/**
 * Small buffers for the memory; one plan per statement for ever, and no compiler, because planning is what costs here. A plan
 * that was made while a table was small must do when it has grown: so no table is read whole where an index can be used.
 */
const SETTINGS = [
  'shared_buffers=8MB',
  'wal_buffers=1MB',
  'plan_cache_mode=force_generic_plan',
  'jit=off',
  'enable_seqscan=off',
]

/** Instants come as milliseconds, whole and decimal numbers as numbers, arrays as arrays. */
const PARSERS = {
  [TIMESTAMPTZ]: (value: string) => Date.parse(value),
  [INT8]: (value: string) => Number(value),
  [NUMERIC]: (value: string) => Number(value),
  // PGlite reads arrays only in its own `query`
  [TEXT_ARRAY]: (value: string): unknown => types.arrayParser(value, (text: string) => text, TEXT_ARRAY),
  [INT4_ARRAY]: (value: string): unknown => types.arrayParser(value, (text: string) => Number(text), INT4_ARRAY),
}

/**
 * PostgreSQL's buffers for one client: with its defaults a reopened folder idles at 315 MB, with these at 170 MB and no
 * slower. PGlite's own start parameters are kept and added to.
 */
function pgliteOptions(folder: string): PGliteOptions {
  return {
    dataDir: folder,
    startParams: [...PGlite.defaultStartParams, ...SETTINGS.flatMap((setting) => ['-c', setting])],
    parsers: PARSERS,
  }
}

/**
 * V8 compiles the functions of WebAssembly that run often anew, on as many threads as it has. On a machine of two processors that takes
 * them from the start; one thread does it as well, a little later. For the whole process; to be called before it loads PGlite.
 */
export function compileOnOneThread(): void {
  setFlagsFromString('--wasm-num-compilation-tasks=1')
}

/** PGlite asks the catalog for all types of arrays when it opens, 0.1 s of it: those of the store are named above. */
class StorePglite extends PGlite {
  override async _initArrayTypes(): Promise<void> {}
}

/** Opens the database in `folder`, made before by `pglite-init`. */
export async function openPglite(folder: string): Promise<PGlite> {
  compileOnOneThread()
  const database = new StorePglite(pgliteOptions(folder))
  await database.waitReady
  return database
}
