/** Certificates of every rule with their files, small and real: for everything that reads them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { vi } from 'vitest'
import { certify } from '../../src/certify/certify.ts'
import type { CertifyOptions } from '../../src/certify/certify-plan.ts'
import type { FeatureSet, TestSet } from '../../src/certify/ensemble/feature-set.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { type CertificateFile, writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { createProgram } from '../../src/cli/create-program.ts'
import { RandomStream } from '../../src/core/random.ts'
import { gaussians } from './gaussians.ts'

const encoder = { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } as const
const set = gaussians({ rows: 300, seed: 1, separation: 0.5 })
const inputs = gaussians({ rows: 40, seed: 2, separation: 0.5 })
const general = { threat: { threat: 'general', encoder }, by: 'content', threads: 1 } as const

type Options = Omit<CertifyOptions<FeatureSet, TestSet>, 'learners'>

async function write(folder: string, trainingSet: FeatureSet, test: TestSet, options: Options): Promise<string> {
  const { certificate, manifests } = await certify(trainingSet, test, {
    ...options,
    learners: headLearners({ kind: 'ridge' }),
    votesDirectory: folder,
  })
  await writeCertificate(folder, certificate as CertificateFile, manifests)
  return path.join(folder, 'certificate.json')
}

/**
 * Writes certificates of all rules: of Gaussian features, and of votes and scores as another program would have them.
 *
 * @returns paths of the certificates, by a name
 */
export async function writeAllCertificates(folder: string): Promise<Readonly<Record<string, string>>> {
  const inFolder = (name: string) => path.join(folder, name)
  const grouped = { ...encoder, trust: 'per_group' } as const
  const perGroup = Array.from({ length: 4 }, () => inputs)
  const times = Array.from({ length: set.rows }, (_, row) => row)
  const found: Record<string, string> = {
    general: await write(inFolder('general'), set, inputs, {
      ...general,
      partitions: [7, 12],
      rules: ['dpa', 'roe', 'fa', 'fa_exact', 'roe_fa'],
      spread: 3,
      collective: [0, 2],
      targetClasses: [set.classNames[1], set.classNames[0]],
    }),
    votesOnly: await write(inFolder('votes-only'), set, inputs, {
      ...general,
      by: 'id',
      partitions: 9,
      rules: ['dpa'],
    }),
    // More partitions than videos: learners without a sample.
    empty: await write(inFolder('empty'), gaussians({ rows: 20, seed: 3 }), inputs, { ...general, partitions: 25 }),
    flips: await write(inFolder('flips'), set, inputs, {
      ...general,
      threat: { threat: 'label_flip', encoder: { ...encoder, trust: 'protected_set' } },
      partitions: 5,
      rules: ['dpa'],
      whiteBox: true,
    }),
    groups: await write(
      inFolder('groups'),
      set,
      { ...inputs, perGroup },
      { ...general, threat: { threat: 'general', encoder: grouped }, partitions: 12, rules: ['groups'], groups: 4 },
    ),
    temporal: await write(inFolder('temporal'), { ...set, times }, inputs, {
      ...general,
      threat: { threat: 'temporal', encoder },
      by: 'time',
      partitions: 11,
      rules: ['temporal'],
      periods: { until: 290, length: 20, coverage: 3 },
    }),
  }
  for (const [name, file] of await importedCertificates(inFolder('imported'))) found[name] = file
  return found
}

/** What `certify --votes` writes for each rule. */
async function importedCertificates(folder: string): Promise<[name: string, file: string][]> {
  mkdirSync(folder, { recursive: true })
  const stream = new RandomStream(5, 'votes')
  const [rows, learners, classes] = [30, 12, 4]
  const lines = (width: number, value: (t: number) => number | string) =>
    Array.from({ length: rows }, (_, t) =>
      [`x${t}`, t % 7 === 0 ? '' : t % classes, ...Array.from({ length: width }, () => value(t))].join(','),
    )
  const vote = (t: number) =>
    stream.integer(10) === 0 ? -1 : stream.integer(3) > 0 ? t % classes : stream.integer(classes)
  const names = Array.from({ length: learners }, (_, i) => `l${i}`)
  const scoreNames = names.flatMap((name) => Array.from({ length: classes }, (_, c) => `${name}_c${c}`))
  const [votes, scores] = [path.join(folder, 'votes.csv'), path.join(folder, 'scores.csv')]
  writeFileSync(votes, `id,label,${names.join(',')}\n${lines(learners, vote).join('\n')}\n`)
  const scored = lines(learners * classes, () => stream.integer(5))
  writeFileSync(scores, `id,label,${scoreNames.join(',')}\n${scored.join('\n')}\n`)
  const spread = ['--offsets', '0,3,7']
  const calls: [name: string, file: string, options: readonly string[]][] = [
    ['dpa', votes, ['--rule', 'dpa', '--target', '3,1', '--collective', '1,2']],
    ['fa', votes, ['--rule', 'fa', ...spread]],
    ['fa_exact', votes, ['--rule', 'fa_exact', ...spread]],
    ['roe', scores, ['--rule', 'roe', '--kind', 'scores', '--target', '2', '--collective', '2']],
    ['roe_fa', scores, ['--rule', 'roe_fa', '--kind', 'scores', ...spread]],
    ['groups', votes, ['--rule', 'groups', '--groups', '4', '--collective', '1']],
    ['temporal', votes, ['--rule', 'temporal', '--coverage', '2', '--collective', '1,3']],
  ]
  const written: [string, string][] = []
  for (const [rule, file, options] of calls) {
    const silent = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    try {
      const program = createProgram()
      const shared = ['--classes', `${classes}`, '--out', folder, '--quiet', '--json']
      await program.parseAsync(['certify', '--votes', file, ...shared, ...options], { from: 'user' })
    } finally {
      silent.mockRestore()
    }
    written.push([`imported ${rule}`, path.join(folder, `imported-certificate-${rule}.json`)])
  }
  return written
}
