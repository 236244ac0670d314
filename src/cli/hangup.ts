import { readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Whether the user asked for a process that outlives its terminal with `nohup`. Node.js sets the signal back to its default when
 * it starts, so that the process cannot ask the system. The shell writes the program that it started into `_`; a script that
 * runs under `nohup` ignores the signal itself, which Linux tells.
 */
export function hangupIsIgnored(): boolean {
  if (path.basename(process.env._ ?? '') === 'nohup') return true
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'utf8'))
    return mask !== null && (Number.parseInt(mask[1].slice(-1), 16) & 1) === 1 // SIGHUP is signal 1, the lowest bit.
  } catch {
    return false
  }
}
