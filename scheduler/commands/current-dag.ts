import { SluiceError } from '../../errors.js'
import type { Dag } from '../dag/model.js'
import type { CommandPorts } from './ports.js'

/**
 * The version that new runs of a DAG take.
 * @throws SluiceError DAG_UNKNOWN, also when its file has disappeared
 */
export async function currentDag(ports: CommandPorts, dagId: string): Promise<Dag> {
  const registered = await ports.store.dag(dagId)
  if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
  if (!registered.present) {
    throw new SluiceError('DAG_UNKNOWN', `The file of the DAG ${dagId}, ${registered.file}, has disappeared.`, {
      hint: 'Bring the file back.',
    })
  }
  const dag = await ports.store.dagVersion(registered.version)
  if (dag === null) throw new SluiceError('STORE_FAILED', `The version ${registered.version} of ${dagId} is missing.`)
  return dag
}
