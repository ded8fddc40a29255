import { goTool } from './go-tool.js'

const MODULE = 'github.com/docker/compose/v2'

/** Path of the real compose tool. */
export function composeTool(): string {
  return goTool({ name: 'docker-compose', module: MODULE, version: 'v2.40.3', command: `${MODULE}/cmd` })
}
