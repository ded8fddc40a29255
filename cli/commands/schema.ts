import { Argument, type Command } from 'commander'
import { jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

/** What has a schema, and how it is made: each loads only what its own takes. */
const SCHEMAS = {
  dag: async () => {
    const [{ operators }, { dagSchema }] = await Promise.all([
      import('../../operators/index.js'),
      import('../../scheduler/dag/schema.js'),
    ])
    return dagSchema(operators)
  },
  config: async () => (await import('../../scheduler/config-reference.js')).configEditorSchema(),
}

/** `sluice schema`: the JSON Schema by which this Sluice checks DAG files, or that of `sluice.yaml`, for editors. */
export function declare(command: Command): void {
  const of = new Argument('[of]', 'DAG files, or `sluice.yaml`').choices(Object.keys(SCHEMAS)).default('dag')
  // it is JSON with or without --json, and the same for every project
  projectOption(jsonOption(command.addArgument(of))).action(async (name: keyof typeof SCHEMAS) =>
    printJson(await SCHEMAS[name](), terminal()),
  )
}
