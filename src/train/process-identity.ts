/** Which process this is, so that another one can tell later whether it still runs. */
import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import os from 'node:os'
import { isRunning } from '../core/is-running.ts'

export interface ProcessIdentity {
  /** Name of the machine, and of the space in which its processes are numbered: containers of one machine have their own. */
  readonly host: string
  /** Identifier of this start of the machine; null where the system has none. */
  readonly boot: string | null
  readonly pid: number
  /** When the process started, in the system's own form: a number that is used again belongs to another start. Null: not known. */
  readonly started: string | null
}

/** The identity of this process. */
export function thisProcess(): ProcessIdentity {
  return { host: hostName(), boot: bootIdentifier(), pid: process.pid, started: startOf(process.pid) }
}

/** `elsewhere`: on a machine, or in a container, whose processes cannot be seen from here. */
export type ProcessState = 'running' | 'ended' | 'elsewhere'

/** What has become of a process. */
export function stateOf({ host, boot, pid, started }: ProcessIdentity): ProcessState {
  if (host !== hostName()) return 'elsewhere'
  const now = bootIdentifier()
  if (boot !== null && now !== null && boot !== now) return 'ended'
  if (!isRunning(pid)) return 'ended'
  const present = startOf(pid)
  return started === null || present === null || started === present ? 'running' : 'ended'
}

function hostName(): string {
  const name = os.hostname()
  try {
    return `${name} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return name
  }
}

function bootIdentifier(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return null
  }
}

/** Linux: ticks since the machine started (proc(5), field 22 of stat). macOS and BSD: what `ps` says. Null elsewhere. */
function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The name of the program, in parentheses, may have anything in it. Field 3 follows it.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
    }
    if (process.platform === 'win32') return null
    const shown = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    return shown === '' ? null : shown
  } catch {
    return null
  }
}
