import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { availableMemory } from './available-memory.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

/** A machine as its files tell of it. */
function machine(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'videomae-memory-'))
  roots.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), text)
  }
  return root
}

const meminfo = 'MemTotal:       20000000 kB\nMemFree:         1000000 kB\nMemAvailable:   10000000 kB\n'
const all = 10_000_000 * 1024

describe('availableMemory', () => {
  test.each<[string, Record<string, string>, number]>([
    ['what the machine has available', {}, all],
    [
      'no limit of a group',
      { 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/memory.max': 'max\n', 'sys/fs/cgroup/a/memory.current': '5\n' },
      all,
    ],
    [
      'what is left of the limit of its group, with file pages that are not in use (version 2)',
      {
        'proc/self/cgroup': '0::/a/b\n',
        'sys/fs/cgroup/a/b/memory.max': '4000\n',
        'sys/fs/cgroup/a/b/memory.current': '3000\n',
        'sys/fs/cgroup/a/b/memory.stat': 'anon 1\ninactive_file 500\nactive_file 7\n',
      },
      1500,
    ],
    [
      'what is left of a group around it',
      {
        'proc/self/cgroup': '0::/a/b\n',
        'sys/fs/cgroup/a/b/memory.max': 'max\n',
        'sys/fs/cgroup/a/b/memory.current': '10\n',
        'sys/fs/cgroup/a/memory.max': '900\n',
        'sys/fs/cgroup/a/memory.current': '100\n',
      },
      800,
    ],
    [
      'what is left of a limit (version 1)',
      {
        'proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/x\n',
        'sys/fs/cgroup/memory/x/memory.limit_in_bytes': '2000\n',
        'sys/fs/cgroup/memory/x/memory.usage_in_bytes': '1500\n',
        'sys/fs/cgroup/memory/x/memory.stat': 'total_inactive_file 100\n',
      },
      600,
    ],
    [
      'the limit of a container, whose own group is mounted at the top',
      {
        'proc/self/cgroup': '0::/docker/0123\n',
        'sys/fs/cgroup/memory.max': '700\n',
        'sys/fs/cgroup/memory.current': '800\n',
      },
      0,
    ],
  ])('is %s', (_, files, expected) => {
    expect(availableMemory({ root: machine({ 'proc/meminfo': meminfo, ...files }) })).toBe(expected)
  })

  test('is a number of this machine', () => {
    expect(availableMemory()).toBeGreaterThan(0)
    expect(availableMemory()).toBeLessThanOrEqual(os.totalmem())
  })
})
