import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** @param files path in the project -> text */
export function writeProject(folder: string, files: Record<string, string>): void {
  mkdirSync(join(folder, 'dags'), { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}
