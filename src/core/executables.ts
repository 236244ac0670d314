import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'

/**
 * The programs of a name in the folders of PATH, in their order; of a path that file alone. Looks at files only: nothing is started.
 *
 * @param searched folders, as in the variable PATH
 */
export function executables(name: string, searched: string = process.env.PATH ?? ''): string[] {
  if (name === '') return []
  const isPath = name.includes('/') || name.includes(path.sep)
  const files = isPath
    ? [name]
    : searched
        .split(path.delimiter)
        .filter(Boolean)
        .map((folder) => path.join(folder, name))
  return files.filter(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
