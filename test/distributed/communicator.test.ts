/** Ranks under the launchers of this machine. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { selfCommunicator } from '../../src/distributed/communicator.ts'
import { launchers, type TestLauncher } from '../support/launchers.ts'

interface Seen {
  readonly rank: number
  readonly library: string
}

async function start({ program, flags }: TestLauncher, count: number, end: string) {
  const host = path.join(import.meta.dirname, 'ranks-host.mjs')
  const child = spawn(program, [...flags, '-np', String(count), process.execPath, host, end])
  let stdout = ''
  child.stdout.on('data', (text) => {
    stdout += String(text)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { code, seen: lines.map((line) => JSON.parse(line) as Seen).sort((a, b) => a.rank - b.rank) }
}

describe.each(launchers)('$name', (launcher) => {
  test.skipIf(launcher.missing !== null)(
    'three ranks see the same sums, bytes and texts',
    { timeout: 120_000 },
    async () => {
      const { code, seen } = await start(launcher, 3, 'close')
      expect(code).toBe(0)
      const expected = {
        transport: 'mpi',
        size: 3,
        left: true,
        sum: ['6', '6', 'NaN'],
        largest: [2, 0],
        bytes: [7, 7, 7],
        lengths: [0, 1000, 2000],
        long: [6],
      }
      expect(seen).toEqual(
        [0, 1, 2].map((rank) => ({ ...expected, rank, library: expect.stringContaining(launcher.name) })),
      )
    },
  )

  test.skipIf(launcher.missing !== null)(
    'a rank that aborts ends all with its exit code',
    { timeout: 120_000 },
    async () => {
      const { code } = await start(launcher, 2, 'abort')
      expect(code).toBe(5)
    },
  )
})

test('one process is a world of its own, and loads nothing', async () => {
  const self = selfCommunicator()
  const values = Float32Array.of(1, 2)
  await self.allReduce(values)
  expect([...values]).toEqual([1, 2])
  expect(await self.gather({ a: 1 })).toEqual([{ a: 1 }])
  expect([self.rank, self.size]).toEqual([0, 1])
  await self.close()
})
