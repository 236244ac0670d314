/** What a kill must not leave in the folder of a run. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readSafetensors } from '../../../src/format/safetensors.ts'

const everything = (run: string): Dirent[] => readdirSync(run, { recursive: true, withFileTypes: true })
const isHidden = (name: string): boolean => name.startsWith('.') || /\.(partial|tmp|temp|part)$/.test(name)

/** Files and folders, wherever they are, that are written before they get their name: none may stay once a run has gone on. */
export function unfinished(run: string): string[] {
  return everything(run)
    .filter(({ name }) => isHidden(name))
    .map(({ parentPath, name }) => path.join(path.relative(run, parentPath), name))
}

/** Files that have their name and are not whole. Logs that grow by lines are none of them: their last line may be cut. */
export async function halfWritten(run: string): Promise<string[]> {
  const wrong: string[] = []
  for (const entry of everything(run)) {
    const file = path.join(entry.parentPath, entry.name)
    const parts = path.relative(run, file).split(path.sep)
    if (!entry.isFile() || parts.some(isHidden)) continue
    try {
      if (entry.name.endsWith('.json')) JSON.parse(readFileSync(file, 'utf8'))
      if (entry.name.endsWith('.safetensors')) await (await readSafetensors(file)).close()
    } catch (error) {
      wrong.push(`${parts.join('/')}: ${(error as Error).message}`)
    }
  }
  return wrong
}
