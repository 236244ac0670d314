/** What `videomae launch` and the ranks that it starts tell each other: launchers pass on neither signals nor exit codes unchanged. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Names the file that `launch` makes when the ranks are to stop. */
export const stopFileVariable = 'VIDEOMAE_STOP_FILE'

const codeFile = (stopFile: string): string => `${stopFile}.code`

/** Tells `launch` the exit code of this rank, which is about to end all. */
export function tellCode(code: number): void {
  const file = process.env[stopFileVariable]
  if (file === undefined) return
  try {
    // The first one counts.
    writeFileSync(codeFile(file), String(code), { flag: 'wx' })
  } catch {
    // Another rank was faster, or the folder is on another machine: the code of the launcher has to do.
  }
}

/** The exit code with which a rank has ended all of them; null where none has said it. */
export function codeOfRank(stopFile: string): number | null {
  const file = codeFile(stopFile)
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : null
}
