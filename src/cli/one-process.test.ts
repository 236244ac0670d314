import { afterEach, expect, test, vi } from 'vitest'
import { optionsWith } from '../../test/support/options-with.ts'
import { certifyCommand } from './certify.ts'
import { certify } from './commands/certify.ts'
import { createProgram } from './create-program.ts'
import { refuseRanks } from './one-process.ts'
import { predictCertifiedCommand } from './predict-certified.ts'

afterEach(() => vi.unstubAllEnvs())

function startedByMpi(): void {
  vi.stubEnv('PMI_RANK', '0')
  vi.stubEnv('PMI_SIZE', '2')
}

const codeOf = async (...args: readonly string[]): Promise<string | null> =>
  createProgram()
    .parseAsync(args, { from: 'user' })
    .then(
      () => null,
      ({ code }) => code,
    )

test('a command that knows no ranks refuses a launcher', async () => {
  startedByMpi()
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    for (const line of ['export absent', 'inspect absent', 'prepare a b'])
      expect(await codeOf(...line.split(' ')), line).toBe('RANKS_UNSUPPORTED')
    expect(await codeOf('completion', 'bash')).toBeNull()
  } finally {
    write.mockRestore()
  }
})

test('processes that have a part each are not refused', async () => {
  startedByMpi()
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const before = process.exitCode
  try {
    // What is missing is found later.
    expect(await codeOf('prepare', 'absent', 'out', '--shard', '1/2')).toBeNull()
    expect(write.mock.calls.join('')).toContain('[VIDEO_SOURCE_NOT_FOUND]')
  } finally {
    process.exitCode = before
    write.mockRestore()
  }
})

test('every command says whether it works on ranks', () => {
  const refused = createProgram().commands.filter((command) => {
    try {
      refuseRanks(command, { PMI_RANK: '0', PMI_SIZE: '2' })
      return false
    } catch {
      return true
    }
  })
  const names = createProgram().commands.map((command) => command.name())
  const allowed = names.filter((name) => !refused.some((command) => command.name() === name))
  const ranked = ['pretrain', 'launch', 'finetune', 'evaluate', 'predict', 'features', 'certify']
  expect(allowed).toEqual([...ranked, 'doctor', 'completion'])
})

test.each([{ votes: 'absent' }, { plan: true }, { stage: 'groups' as const }])(
  'certify %o is done by one process',
  async (options) => {
    startedByMpi()
    await expect(certifyCommand('absent', optionsWith(certify, options))).rejects.toMatchObject({
      code: 'RANKS_UNSUPPORTED',
    })
  },
)

test('predictions of an ensemble are made by one process', async () => {
  startedByMpi()
  await expect(predictCertifiedCommand([], 'absent', {})).rejects.toMatchObject({
    code: 'RANKS_UNSUPPORTED',
  })
})
