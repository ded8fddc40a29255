import { posix } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { Dag } from '../dag/model.js'
import type { CommandPorts } from './ports.js'

/**
 * The version that new runs of a DAG take.
 * @throws SluiceError DAG_UNKNOWN, also when its file has disappeared; DAG_INVALID when the file of its name was never good
 */
export async function currentDag(ports: CommandPorts, dagId: string): Promise<Dag> {
  const registered = await ports.store.dag(dagId)
  if (registered === null) throw await neverGood(ports, dagId)
  if (!registered.present) {
    throw new SluiceError('DAG_UNKNOWN', `The file of the DAG ${dagId}, ${registered.file}, has disappeared.`, {
      hint: 'Bring the file back.',
    })
  }
  const dag = await ports.store.dagVersion(registered.version)
  if (dag === null) throw new SluiceError('STORE_FAILED', `The version ${registered.version} of ${dagId} is missing.`)
  return dag
}

/** A file that was never good has no id that counts: by custom it bears the DAG's name. */
async function neverGood(ports: CommandPorts, dagId: string): Promise<SluiceError> {
  const problems = await ports.store.problems()
  const own = problems.find(({ file, severity }) => severity === 'error' && posix.parse(file).name === dagId)
  if (own === undefined) return new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  const message = `${own.file} has problems and was never good: line ${own.line}, ${own.message}.`
  return new SluiceError('DAG_INVALID', message)
}
