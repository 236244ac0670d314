import { realpathSync } from 'node:fs'
import path from 'node:path'

/** What says how the program was started; of this process where it is left out. */
export interface StartedAs {
  /** The script, as in `process.argv[1]`. */
  readonly script?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly workingFolder?: string
}

/**
 * What a user types to start this program again: `videomae` where that is on the path, `npx videomae` where npx has started it,
 * else `node` with the path of the script.
 */
export function invocation(started: StartedAs = {}): string {
  const { script = process.argv[1] ?? '', env = process.env, workingFolder = process.cwd() } = started
  if (env.npm_command === 'exec') return 'npx videomae'
  const program = realOrNull(script)
  const onPath = (env.PATH ?? '').split(path.delimiter).some((folder) => {
    // npm puts these on the path of its scripts only.
    if (folder === '' || (env.npm_command !== undefined && folder.endsWith(path.join('node_modules', '.bin'))))
      return false
    const found = realOrNull(path.join(folder, 'videomae'))
    return found !== null && found === program
  })
  if (onPath) return 'videomae'
  const relative = path.relative(workingFolder, script)
  const shown = relative.startsWith('..') ? script : relative
  return `node ${/\s/.test(shown) ? JSON.stringify(shown) : shown}`
}

function realOrNull(file: string): string | null {
  try {
    return realpathSync(file)
  } catch {
    return null
  }
}
