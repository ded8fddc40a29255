import { COMPOSE, goTool, MINIO_CLIENT } from './go-tool.js'
import { pythonWithDelta, pythonWithIceberg } from './python-env.js'

// By themselves: on a machine that has never built them they take minutes of all cores, and the tests beside them have clocks.
for (const tool of [COMPOSE, MINIO_CLIENT]) console.log(goTool(tool))
for (const python of [pythonWithDelta(), pythonWithIceberg()]) console.log(python)
