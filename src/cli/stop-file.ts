/** What `videomae launch` and the ranks that it starts tell each other: launchers pass on neither signals nor exit codes unchanged. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { exitCodes } from '../core/errors.ts'

/** Names the file that `launch` makes when the ranks are to stop. */
export const stopFileVariable = 'VIDEOMAE_STOP_FILE'
/** Number of the process of `launch`: the ranks stop when it is gone, too. */
export const launchProcessVariable = 'VIDEOMAE_LAUNCH_PROCESS'

const codeFile = (stopFile: string): string => `${stopFile}.code`

/** Tells `launch` the exit code of this rank, which ends in order. Nothing is told of a success: another rank may have more to say. */
export function tellCode(code: number): void {
  const file = process.env[stopFileVariable]
  if (file === undefined || code === exitCodes.success) return
  try {
    // The first one counts.
    writeFileSync(codeFile(file), String(code), { flag: 'wx' })
  } catch {
    // Another rank was faster, or the folder is on another machine: the code of the launcher has to do.
  }
}

/** The first exit code other than 0 that a rank has told; null where none has. */
export function codeOfRank(stopFile: string): number | null {
  const file = codeFile(stopFile)
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : null
}

/** Whether `launch` asks the ranks to stop, or has been killed and can ask nothing any more. */
export function mustStop(stopFile: string): boolean {
  return existsSync(stopFile) || isGone(process.env[launchProcessVariable])
}

function isGone(id: string | undefined): boolean {
  if (id === undefined || !/^[1-9]\d*$/.test(id)) return false
  try {
    process.kill(Number(id), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
