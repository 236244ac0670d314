/** Bytes that this process can still get. */
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Where the files of the kernel are; `/` but in tests. */
export interface MemoryFiles {
  readonly root?: string
}

/**
 * Memory that can be taken without swapping: what the machine has available, or less where a control group (a container, a batch
 * system, systemd) limits this process. Of a group, file pages that nobody has used lately count as free.
 */
export function availableMemory({ root = '/' }: MemoryFiles = {}): number {
  const read = (...names: readonly string[]): string | null => {
    try {
      return readFileSync(path.join(root, ...names), 'utf8')
    } catch {
      return null
    }
  }
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(read('proc/meminfo') ?? '')
  const machine = available === null ? os.freemem() : Number(available[1]) * 1024
  return Math.max(0, Math.min(machine, ...groupRooms(read)))
}

type Read = (...names: readonly string[]) => string | null

/** What is left of every limit above this process: those of its own group and of all groups around it. */
function groupRooms(read: Read): number[] {
  const rooms: number[] = []
  for (const line of (read('proc/self/cgroup') ?? '').split('\n')) {
    // hierarchy:controllers:path; version 2 has no controllers.
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (group === undefined) continue
    const old = controllers.split(',').includes('memory')
    if (!old && controllers !== '') continue
    // In a container the path is often that of the host, and its own group is mounted at the top.
    for (let above = group; ; above = path.posix.dirname(above)) {
      rooms.push(...(old ? roomOfVersion1(read, above) : roomOfVersion2(read, above)))
      if (above === '/' || above === '.') break
    }
  }
  return rooms
}

function roomOfVersion2(read: Read, group: string): number[] {
  const file = (name: string): string | null => read('sys/fs/cgroup', group, name)
  return room(file('memory.max'), file('memory.current'), /^inactive_file (\d+)$/m.exec(file('memory.stat') ?? ''))
}

function roomOfVersion1(read: Read, group: string): number[] {
  const file = (name: string): string | null => read('sys/fs/cgroup/memory', group, name)
  const idle = /^total_inactive_file (\d+)$/m.exec(file('memory.stat') ?? '')
  return room(file('memory.limit_in_bytes'), file('memory.usage_in_bytes'), idle)
}

/** Nothing where there is no limit. */
function room(limit: string | null, used: string | null, idle: RegExpExecArray | null): number[] {
  if (limit === null || used === null || !/^\d+\s*$/.test(limit)) return []
  return [Number(limit) - Number(used) + Number(idle?.[1] ?? 0)]
}
