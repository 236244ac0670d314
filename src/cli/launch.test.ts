import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { launchCommand } from './launch.ts'

const folder = folderForTests('videomae-launch-')
const before = process.exitCode
afterEach(() => {
  process.exitCode = before
})

/** A launcher that passes for MPICH and does this instead of starting ranks. */
function launcher(does: string): string {
  const file = path.join(folder, 'mpirun')
  writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && { echo HYDRA; exit 0; }\n${does}\n`)
  chmodSync(file, 0o755)
  return file
}

test.skipIf(process.platform === 'win32')(
  'the exit code is that of the rank that ends all, whatever the launcher makes of it',
  async () => {
    // 11: another rank has crashed on the way, as happens with MPICH.
    await launchCommand(['pretrain'], {
      ranks: 2,
      restarts: 0,
      mpirun: launcher('echo 5 > "$VIDEOMAE_STOP_FILE.code"; exit 11'),
    })
    expect(process.exitCode).toBe(5)
    // MPICH ends with the number of the signal that has killed a rank; 9 is an exit code of the program, too.
    for (const code of [9, 11])
      await expect(
        launchCommand(['pretrain'], { ranks: 2, restarts: 0, mpirun: launcher(`exit ${code}`) }),
      ).rejects.toMatchObject({
        code: 'RANK_DIED',
        message: expect.stringContaining(`exit code ${code}`),
      })
    await launchCommand(['pretrain'], { ranks: 2, restarts: 0, mpirun: launcher('exit 0') })
    expect(process.exitCode).toBe(0)
  },
)

test.skipIf(process.platform === 'win32')('Ctrl-C does not reach a launcher: the ranks are asked to save', async () => {
  // Ends as a rank does that has saved; a launcher that gets the signal kills the ranks.
  const waits =
    'while [ ! -e "$VIDEOMAE_STOP_FILE" ]; do sleep 0.02; done; echo 130 > "$VIDEOMAE_STOP_FILE.code"; exit 130'
  const started = path.join(folder, 'started')
  const others = process.listenerCount('SIGINT')
  const ended = launchCommand(['pretrain'], {
    ranks: 2,
    restarts: 0,
    mpirun: launcher(`echo $$ > ${started}; ${waits}`),
  })
  await vi.waitUntil(() => existsSync(started) && readFileSync(started, 'utf8').trim() !== '', { timeout: 300_000 })
  // A group of its own, so that the terminal sends it nothing: throws where it leads none.
  process.kill(-Number(readFileSync(started, 'utf8')), 0)
  for (const listener of process.listeners('SIGINT').slice(others)) listener('SIGINT')
  await ended
  expect(process.exitCode).toBe(130)
  expect(process.listenerCount('SIGINT')).toBe(others)
})

test('a part that every rank would do again is refused', async () => {
  for (const shard of [['--shard', '1/2'], ['--shard=1/2']])
    await expect(launchCommand(['certify', 'list.csv', ...shard], { ranks: 2, restarts: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no --shard after launch'),
    })
})

describe.skipIf(process.platform === 'win32')('--restarts', () => {
  const starts = path.join(folder, 'starts')
  /** Ends so at each start, the last one again and again. */
  const launches = async (ends: readonly string[], restarts: number, args: readonly string[] = ['pretrain', 'v']) => {
    rmSync(starts, { force: true })
    const which = `n=$(wc -l < ${starts})`
    const cases = ends.map((end, i) => `${i + 1 === ends.length ? '*' : i + 1}) ${end};;`).join(' ')
    const mpirun = launcher(`echo "$@" >> ${starts}; ${which}; case $n in ${cases} esac`)
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const failed = await launchCommand(args, { ranks: 2, mpirun, restarts }).then(
      () => null,
      (error: { readonly code: string }) => error.code,
    )
    const lines = readFileSync(starts, 'utf8').trim().split('\n')
    const notes = said.mock.calls.map(([text]) => String(text))
    said.mockRestore()
    return { resumed: lines.map((line) => line.split(' ').filter((word) => word === '--resume').length), failed, notes }
  }
  const told = (code: number) => `echo ${code} > "$VIDEOMAE_STOP_FILE.code"; exit ${code}`

  test('start again with --resume where a rank died or the machine failed', async () => {
    const { resumed, failed, notes } = await launches(['exit 137', told(4), 'exit 0'], 5)
    expect([resumed, failed, process.exitCode]).toEqual([[0, 1, 1], null, 0])
    expect(notes).toEqual([
      expect.stringMatching(/exit code 137\).*--resume, 5 restarts are left/),
      expect.stringMatching(/exit code 4\).*4 restarts/),
    ])
  })

  test('are as many as were asked for', async () => {
    expect(await launches(['exit 137'], 2)).toMatchObject({ resumed: [0, 1, 1], failed: 'RANK_DIED' })
    expect(await launches(['exit 137'], 0)).toMatchObject({ resumed: [0], failed: 'RANK_DIED' })
    expect((await launches([told(4)], 1, ['finetune', 'v', '--resume'])).resumed).toEqual([1, 1])
    expect(process.exitCode).toBe(4)
  })

  test('are none where another start gives the same, or somebody asked to stop', async () => {
    for (const end of ['exit 0', told(2), told(3), told(5), told(130), 'touch "$VIDEOMAE_STOP_FILE"; exit 143'])
      expect((await launches([end], 3)).resumed, end).toEqual([0])
  })

  test('are refused for commands that have no --resume', async () => {
    await expect(launchCommand(['evaluate', 'v'], { ranks: 2, restarts: 1 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

test('ranks that know nothing of each other are not started: each would write the same files', async () => {
  vi.stubEnv('VIDEOMAE_MPI', 'off')
  const given = { ranks: 2, restarts: 0, mpirun: launcher('exit 0') }
  await expect(launchCommand(['pretrain'], given)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('VIDEOMAE_MPI=off makes each of the 2 ranks a separate run'),
  })
  vi.unstubAllEnvs()
})

test.skipIf(process.platform === 'win32')('a second Ctrl-C ends all with 130: nothing has crashed', async () => {
  const started = path.join(folder, 'started-again')
  const others = process.listenerCount('SIGINT')
  const waits = `trap 'exit 1' TERM; echo $$ > ${started}; while :; do sleep 0.02; done`
  const ended = launchCommand(['pretrain'], { ranks: 2, restarts: 0, mpirun: launcher(waits) })
  await vi.waitUntil(() => existsSync(started), { timeout: 300_000 })
  for (const listener of process.listeners('SIGINT').slice(others)) {
    listener('SIGINT')
    listener('SIGINT')
  }
  await ended
  expect(process.exitCode).toBe(130)
})
