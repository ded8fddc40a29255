import { stat } from 'node:fs/promises'
import { SluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { nameBelow, realRoots } from '../project-path.js'
import { matchFiles } from '../tables/match-files.js'
import { countOf, filesSource, type LocalFile, logFiles, type Prepared, withContent } from './files.js'
import type { IngestSource } from './source-schema.js'

/** The files of the project that globs match. */
export async function localFiles(
  globs: readonly string[],
  from: IngestSource,
  ctx: OperatorContext,
): Promise<Prepared> {
  const remote = globs.find((glob) => glob.startsWith('s3://'))
  if (remote !== undefined) {
    const message = `ingest: ${remote} is in a bucket, which needs \`connection\`, the name of a connection of type s3.`
    throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
  }
  const paths = await matchFiles(globs, { folder: ctx.dag.folder, roots: ctx.roots, signal: ctx.signal })
  const roots = [...ctx.roots, ...realRoots(ctx.roots)]
  const found = await Promise.all(
    paths.map(async (path): Promise<LocalFile> => {
      return { path, name: nameBelow(path, roots), size: (await stat(path)).size }
    }),
  )
  const files = withContent(found, ctx)
  logFiles(files, ctx)
  return { source: filesSource(from, files, ctx), read: countOf(files), outputs: { files: files.length } }
}
