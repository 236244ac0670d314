import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { importBallots } from '../../src/certify/import-votes.ts'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { KeptCertificates } from '../../src/certify/votes/kept-certificates.ts'
import { createProgram } from '../../src/cli/create-program.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-votes-')
const inFolder = (name: string) => path.join(folder, name)
// 12 learners of one opinion on one input of two classes.
writeFileSync(
  inFolder('votes.csv'),
  `id,${Array.from({ length: 12 }, (_, i) => `l${i}`).join(',')}\nx,${'1,'.repeat(11)}1\n`,
)
writeFileSync(
  inFolder('scores.csv'),
  `id,${Array.from({ length: 24 }, (_, i) => `s${i}`).join(',')}\nx,${'0,1,'.repeat(11)}0,1\n`,
)

let printed = ''
beforeEach(() => {
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

const isCertificate = (name: string) => !/^ballots-imported-[0-9a-f]{12}\.npy$/.test(name)

let runs = 0
/** As a user types it; what it prints, ends with and leaves. */
async function certify(file: string, ...more: readonly string[]) {
  const out = inFolder(`out-${runs++}`)
  const program = createProgram()
  const command = ['certify', '--votes', inFolder(file), '--classes', '2', '--out', out, '--json', ...more]
  await program.parseAsync(command, { from: 'user' })
  const written = existsSync(out) ? readdirSync(out).filter(isCertificate).sort() : []
  const radii = written.map((name) => {
    const { rule, inputs } = JSON.parse(readFileSync(path.join(out, name), 'utf8'))
    return [rule.rule, inputs?.[0].radius ?? null]
  })
  return {
    code: process.exitCode ?? 0,
    radii,
    result: JSON.parse(printed) as { conditions?: string[]; error?: { message: string } },
  }
}

test.skipIf(process.platform === 'win32')('a pipe named with --classes is refused for what it is', async () => {
  execFileSync('mkfifo', [inFolder('pipe')])
  const { result } = await certify('votes.csv', '--classes', inFolder('pipe'))
  expect(result.error).toMatchObject({ code: 'FILE_NOT_REGULAR' })
})

test('names of classes may be in a file', async () => {
  writeFileSync(inFolder('names.txt'), 'cat\ndog\n')
  const { code } = await certify('votes.csv', '--classes', inFolder('names.txt'), '--rule', 'dpa', '--target', 'cat')
  expect(code).toBe(0)
  const out = inFolder(`out-${runs - 1}`)
  const [file] = readdirSync(out).filter((name) => name.endsWith('.json'))
  expect(JSON.parse(readFileSync(path.join(out, file), 'utf8')).classNames).toEqual(['cat', 'dog'])
  printed = ''
  const { result } = await certify('votes.csv', '--classes', inFolder('no.txt'))
  expect(result).toMatchObject({
    error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('a file with one') },
  })
})

test('a number of classes above the most is refused, and no list of that length is made', async () => {
  const { code, result } = await certify('votes.csv', '--classes', '1e12')
  expect([code, result]).toMatchObject([2, { error: { code: 'INVALID_ARGUMENT' } }])
})

describe('certify --votes --require', () => {
  const required = (...values: string[]) => values.flatMap((value) => ['--require', value])
  // 12 learners: nine and seven votes for the right class, and five.
  writeFileSync(
    inFolder('three.csv'),
    `id,label,${Array.from({ length: 12 }, (_, i) => `l${i}`).join(',')}\n${[9, 7, 5]
      .map((right, t) => `v${t},1,${Array.from({ length: 12 }, (_, i) => Number(i < right)).join(',')}\n`)
      .join('')}`,
  )

  test('ends with 0 when a run meets all of it', async () => {
    const { code, result } = await certify('three.csv', ...required('accuracy>=0.6', 'certified@2>=0.33'))
    expect(code).toBe(0)
    expect(result).toMatchObject({ requirements: { metBy: ['dpa'] } })
  })

  test('ends with 6 when it does not, with everything written and one document printed', async () => {
    const { code, result, radii } = await certify('three.csv', ...required('accuracy>=0.6', 'certified@2>=0.34'))
    expect(code).toBe(6)
    expect(radii).toEqual([['dpa', 2]])
    expect(result).toMatchObject({
      error: { code: 'REQUIREMENT_NOT_MET' },
      requirements: { metBy: [], runs: [{ run: 'dpa', values: [{ met: true }, { met: false, value: 1 / 3 }] }] },
    })
  })

  test('is refused before anything is written where no true classes are known, or as another word', async () => {
    const unlabeled = await certify('votes.csv', ...required('accuracy>=0.6'))
    expect(unlabeled).toMatchObject({ code: 3, radii: [], result: { error: { code: 'NO_TRUE_CLASSES' } } })
    printed = ''
    writeFileSync(inFolder('partly.csv'), readFileSync(inFolder('three.csv'), 'utf8').replace('v2,1,', 'v2,,'))
    const partly = await certify('partly.csv', ...required('accuracy>=0.6'))
    expect(partly).toMatchObject({ code: 3, radii: [], result: { error: { code: 'NO_TRUE_CLASSES' } } })
    printed = ''
    const unknown = await certify('three.csv', ...required('accuracy>0.6'))
    expect(unknown).toMatchObject({ code: 2, radii: [], result: { error: { code: 'INVALID_ARGUMENT' } } })
  })

  test('of verify counts what was recomputed', async () => {
    await certify('three.csv')
    const file = path.join(inFolder(`out-${runs - 1}`), 'imported-certificate-dpa.json')
    const verify = async (...more: readonly string[]) => {
      printed = ''
      process.exitCode = undefined
      const program = createProgram()
      await program.parseAsync(['verify', file, '--json', '--quiet', ...more], { from: 'user' })
      return { code: process.exitCode ?? 0, result: JSON.parse(printed) }
    }
    expect(await verify(...required('certified@2>=0.33'))).toMatchObject({ code: 0, result: { verified: true } })
    expect(await verify(...required('certified@2>=0.34'))).toMatchObject({
      code: 6,
      result: { verified: true, error: { code: 'REQUIREMENT_NOT_MET' } },
    })
  })
})

describe('certify --votes, without a rule,', () => {
  test('takes those that the file allows', async () => {
    const votes = await certify('votes.csv')
    expect(votes).toMatchObject({ code: 0, radii: [['dpa', 5]] })
    expect(votes.result.conditions?.join()).toContain('the partitions are disjoint')
    printed = ''
    expect((await certify('scores.csv', '--kind', 'scores')).radii).toEqual([
      ['dpa', 5],
      ['roe', 5],
    ])
  })

  test('counts by the spread where a bucket reached several learners', async () => {
    const offsets = ['--offsets', '0,3,7']
    expect((await certify('votes.csv', ...offsets)).radii).toEqual([['fa', 1]])
    printed = ''
    const scores = await certify('scores.csv', '--kind', 'scores', ...offsets)
    expect(scores.radii).toEqual([
      ['fa', 1],
      ['roe_fa', 1],
    ])
    expect(scores.result.conditions?.filter((condition) => condition.includes('column i'))).toEqual([
      'column i of the file is base classifier i, and partition j reached the base classifiers j + 0, j + 3, j + 7, modulo 12, and no others',
    ])
  })
})

test('certify --votes leaves single inputs out when told to', async () => {
  expect((await certify('votes.csv', '--no-per-input')).radii).toEqual([['dpa', null]])
})

test('certify --votes says how the file was read, and how many radii of the search are exact', async () => {
  const { result, code } = await certify('votes.csv', '--rule', 'fa_exact', '--offsets', '0,3,7')
  expect(code).toBe(0)
  expect(result).toMatchObject({
    read: { inputs: 1, learners: 12, classes: 2, ids: 'id', labels: null, abstentions: 0 },
    runs: [{ rule: 'fa_exact', exactRadii: 1 }],
  })
})

test.each([
  [['--threat', 'general'], '--threat'],
  [['--by', 'content'], '--by'],
  [['--partitions', '12'], '--partitions'],
  [['--collective', '1'], '--collective'],
  [['--white-box'], '--white-box'],
  [['--learner', 'ridge'], '--learner'],
  [['--seed', '1'], '--seed'],
  [['--until', '3'], '--until'],
  [['--groups', '3'], '--groups'],
  [['--coverage', '2'], '--coverage'],
] as const)('certify --votes refuses %j, which it has no use for', async (options, name) => {
  const { code, radii, result } = await certify('votes.csv', ...options)
  expect([code, radii]).toEqual([2, []])
  expect(result.error?.message).toContain(`Expected no ${name} `)
})

test('options of votes are refused without a file of votes, and DATA together with one', async () => {
  for (const more of [
    ['--kind', 'scores'],
    ['--learners', '3'],
    ['--offsets', '0,1'],
    ['--votes', 'x.csv'],
  ] as const) {
    printed = ''
    const program = createProgram()
    await program.parseAsync(['certify', 'videos', '--json', ...more], { from: 'user' })
    expect(process.exitCode).toBe(2)
    expect(JSON.parse(printed).error.message).toContain(`Expected no ${more[0] === '--votes' ? 'DATA' : more[0]} `)
  }
})

test('certificates of an interrupted run are used again, and no others', async () => {
  const rows = Array.from(
    { length: 30 },
    (_, t) => `v${t},${Array.from({ length: 12 }, (_, i) => (i * t) % 2).join(',')}`,
  )
  const header = `id,${Array.from({ length: 12 }, (_, i) => `l${i}`).join(',')}`
  writeFileSync(inFolder('many.csv'), `${header}\n${rows.join('\n')}\n`)
  const out = inFolder('kept')
  const run = async (file: string) => {
    printed = ''
    const program = createProgram()
    await program.parseAsync(['certify', '--votes', inFolder(file), '--classes', '2', '--out', out, '--json'], {
      from: 'user',
    })
    return readFileSync(path.join(out, 'imported-certificate-dpa.json'), 'utf8')
  }
  const whole = await run('many.csv')
  expect(readdirSync(out).filter(isCertificate)).toEqual(['imported-certificate-dpa.json'])
  // What a run leaves that was stopped after two inputs, the second of them with a radius that nothing else would give.
  const imported = await importBallots(inFolder('many.csv'), { kind: 'votes', classes: 2 })
  const part = path.join(out, 'imported-certificate-dpa.part.jsonl')
  const keep = await KeptCertificates.open(part, imported.ballots, { rule: 'dpa' })
  const [first, second] = certifyBallots(imported.ballots, { rule: 'dpa' })
  keep.add(first)
  keep.add({ ...second, radius: 77 })
  await keep.flush()
  appendFileSync(part, '{"prediction":0,"rad')
  const resumed = JSON.parse(await run('many.csv'))
  expect(resumed.inputs.map(({ radius }: { radius: number }) => radius)).toEqual(
    JSON.parse(whole).inputs.map(({ radius }: { radius: number }, t: number) => (t === 1 ? 77 : radius)),
  )
  // Another file of votes in the same folder takes nothing over.
  await KeptCertificates.open(part, imported.ballots, { rule: 'dpa' }).then(async (other) => {
    other.add({ ...second, radius: 77 })
    await other.flush()
  })
  writeFileSync(inFolder('many.csv'), `${header}\n${rows.toReversed().join('\n')}\n`)
  expect(await run('many.csv')).not.toContain(':77')
})

test.each([
  ['a rule that a spread makes unsound', ['--rule', 'dpa', '--offsets', '0,3,7'], '3 base classifiers, for --rule'],
  ['one of several rules', ['--rule', 'fa,temporal', '--offsets', '0,3,7'], '3 base classifiers, for --rule'],
  ['a spread whose offsets are not named', ['--spread', '3'], '--offsets'],
  ['a rule without a spread together with one', ['--rule', 'dpa', '--spread', '3'], '3 base classifiers, for --rule'],
  ['a rule that needs rankings', ['--rule', 'dpa,roe'], 'first choices'],
  ['an unknown rule', ['--rule', 'dpa,nonsense'], '--rule'],
] as const)('certify --votes refuses %s before anything is written', async (_, options, message) => {
  const { code, radii, result } = await certify('votes.csv', ...options)
  expect([code, radii]).toEqual([2, []])
  expect(result.error?.message).toContain(message)
})
