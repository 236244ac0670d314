import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import { launchCommand } from './launch.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-launch-'))
const before = process.exitCode
afterEach(() => {
  process.exitCode = before
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A launcher that passes for MPICH and does this instead of starting ranks. */
function launcher(does: string): string {
  const file = path.join(folder, 'mpirun')
  writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && { echo HYDRA; exit 0; }\n${does}\n`)
  chmodSync(file, 0o755)
  return file
}

it.skipIf(process.platform === 'win32')(
  'the exit code is that of the rank that ends all, whatever the launcher makes of it',
  async () => {
    // 11: another rank has crashed on the way, as happens with MPICH.
    await launchCommand(['pretrain'], { ranks: 2, mpirun: launcher('echo 5 > "$VIDEOMAE_STOP_FILE.code"; exit 11') })
    expect(process.exitCode).toBe(5)
    // MPICH ends with the number of the signal that has killed a rank; 9 is an exit code of the program, too.
    for (const code of [9, 11])
      await expect(launchCommand(['pretrain'], { ranks: 2, mpirun: launcher(`exit ${code}`) })).rejects.toMatchObject({
        code: 'RANK_DIED',
        message: expect.stringContaining(`exit code ${code}`),
      })
    await launchCommand(['pretrain'], { ranks: 2, mpirun: launcher('exit 0') })
    expect(process.exitCode).toBe(0)
  },
)

it.skipIf(process.platform === 'win32')('Ctrl-C does not reach a launcher: the ranks are asked to save', async () => {
  // Ends as a rank does that has saved; a launcher that gets the signal kills the ranks.
  const waits =
    'while [ ! -e "$VIDEOMAE_STOP_FILE" ]; do sleep 0.02; done; echo 130 > "$VIDEOMAE_STOP_FILE.code"; exit 130'
  const started = path.join(folder, 'started')
  const others = process.listenerCount('SIGINT')
  const ended = launchCommand(['pretrain'], { ranks: 2, mpirun: launcher(`echo $$ > ${started}; ${waits}`) })
  await vi.waitUntil(() => existsSync(started) && readFileSync(started, 'utf8').trim() !== '', { timeout: 20_000 })
  // A group of its own, so that the terminal sends it nothing: throws where it leads none.
  process.kill(-Number(readFileSync(started, 'utf8')), 0)
  for (const listener of process.listeners('SIGINT').slice(others)) listener('SIGINT')
  await ended
  expect(process.exitCode).toBe(130)
  expect(process.listenerCount('SIGINT')).toBe(others)
})

it('a part that every rank would do again is refused', async () => {
  for (const shard of [['--shard', '1/2'], ['--shard=1/2']])
    await expect(launchCommand(['certify', 'list.csv', ...shard], { ranks: 2 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no --shard behind launch'),
    })
})
