import { readdirSync, readFileSync } from 'node:fs'

/** The kernel counts processor time in these, whatever the processor: its USER_HZ. */
const ticksPerSecond = 100

interface ProcessTimes {
  readonly group: number
  /** Seconds of the process itself and of the children that it has waited for. */
  readonly seconds: number
}

function timesOf(pid: number | string): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold anything. Then: state, parent, group, ..., user and system time, those of waited children.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return { group: Number(fields[2]), seconds: ticks / ticksPerSecond }
  } catch {
    return undefined
  }
}

/** Processor seconds that a process has used, with the children that it has waited for; undefined where the system does not tell (no `/proc`). */
export function processSeconds(pid: number): number | undefined {
  return timesOf(pid)?.seconds
}

/** Processor seconds of a process and of every other one in the group that it leads, such as a program that it runs. */
export function groupSeconds(leader: number): number | undefined {
  if (timesOf(leader) === undefined) return undefined
  let sum = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const times = timesOf(name)
    if (Number(name) === leader || times?.group === leader) sum += times?.seconds ?? 0
  }
  return sum
}
