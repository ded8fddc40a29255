import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { operators } from '../../operators/index.js'
import { PACKAGE_ROOT } from '../../package-root.js'
import { referenceFiles } from './reference.js'

/** `npm run reference`: writes the generated pages of `docs/reference`. */
for (const [path, text] of Object.entries(referenceFiles(operators))) writeFileSync(join(PACKAGE_ROOT, path), text)
