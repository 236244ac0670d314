/**
 * The conformance suite that other projects run: its vectors are what exhaustion finds, the rules and the stand-alone verifier conform,
 * both runners notice what does not, and votes of other systems arrive as they were.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { checkConformance } from '../../examples/conformance/compare.mjs'
import {
  type CollectiveVector,
  certifyCollectiveVector,
  certifyVector,
  type Vector,
} from '../../scripts/support/conformance.ts'
import { conformanceText } from '../../scripts/support/conformance-vectors.ts'
import { importBallots } from '../../src/certify/import-votes.ts'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000 })

const examples = path.join(import.meta.dirname, '../../examples')
const folder = folderForTests('videomae-conformance-')
const text = readFileSync(path.join(examples, 'conformance', 'vectors-1.jsonl'), 'utf8')
const all = text
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => JSON.parse(line) as Vector | CollectiveVector)
const vectors = all.filter((vector) => vector.rule !== 'collective')
const testSets = all.filter((vector) => vector.rule === 'collective')

function withoutNumpy(): boolean {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' })
    return false
  } catch {
    return true
  }
}

const python = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8', timeout: 300_000 })
  return { status, stdout, stderr }
}

/** Answers with one fault of each kind. */
function faultyAnswers(): Record<string, object> {
  const answers = Object.fromEntries(vectors.map(({ id, expected }) => [id, { ...expected }]))
  const sets = Object.fromEntries(testSets.map(({ id, expected }) => [id, { ...expected }]))
  answers['dpa-0'].prediction += 1
  answers['fa-0'].radius = answers['fa-0'].exact + 1
  const positive = vectors.find(({ rule, expected }) => rule === 'roe' && expected.radius > 0)?.id ?? ''
  answers[positive].radius -= 1
  const stretch = answers['temporal-0'] as { earliness: number; exactEarliness: number }
  stretch.earliness = stretch.exactEarliness + 1
  answers['roe-loose'].radius = answers['roe-loose'].exact
  delete answers['groups-0']
  const costs = [...(answers['dpa-1'].targets ?? [])] as number[]
  costs[0] += 1
  answers['dpa-1'] = { ...answers['dpa-1'], targets: costs }
  sets['collective-dpa-1'].changed -= 1
  sets['collective-dpa-3'].changed += 1
  return { ...answers, ...sets }
}

const faults = { wrong: 1, unsound: 4, loose: 2, tighter: 1, unanswered: 1 }

describe('conformance vectors', () => {
  test('are what the script writes, by exhaustion, for every rule and with radii above 0', async () => {
    expect(await conformanceText()).toBe(text)
    const largest = new Map<string, number>()
    for (const { rule, expected } of vectors) largest.set(rule, Math.max(expected.radius, largest.get(rule) ?? 0))
    expect([...largest.keys()].sort()).toEqual(
      ['dpa', 'dpa_white_box', 'fa', 'fa_exact', 'groups', 'roe', 'roe_fa', 'temporal'].sort(),
    )
    expect(Math.min(...largest.values())).toBeGreaterThan(0)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    expect(vectors.filter(({ expected }) => expected.targets?.some((cost) => (cost ?? 0) > 1)).length).toBeGreaterThan(
      50,
    )
    const partly = testSets.filter(({ inputs, expected: { changed } }) => changed > 0 && changed < inputs.length)
    expect(new Set(partly.map(({ aggregation }) => aggregation)).size).toBe(6)
  })

  test('hold for this program, to the number', async () => {
    const report = await checkConformance(all, (vector: Vector | CollectiveVector) =>
      vector.rule === 'collective' ? certifyCollectiveVector(vector) : certifyVector(vector),
    )
    expect(report).toEqual({
      ...{ wrong: [], unsound: [], loose: [] },
      tighter: 0,
      answered: all.length,
      unanswered: 0,
    })
  })

  test('show wrong predictions, unsound and loose radii in JavaScript', async () => {
    const answers = faultyAnswers()
    const { wrong, unsound, loose, ...counts } = await checkConformance(all, ({ id }: Vector) => answers[id])
    expect({ wrong: wrong.length, unsound: unsound.length, loose: loose.length, ...counts }).toEqual({
      ...{ ...faults, answered: all.length - 1 },
    })
    expect(unsound.join()).toMatch(/fa-0: radius .*temporal-0: earliness /)
  })

  test.skipIf(withoutNumpy())(
    'are checked in Python as in JavaScript, and hold for the stand-alone verifier (needs numpy)',
    () => {
      const runner = path.join(examples, 'conformance', 'check.py')
      const verifier = python(runner, path.join(examples, 'conformance', 'subject_verify.py'), '--published')
      expect(verifier, verifier.stderr).toMatchObject({ status: 0 })
      expect(verifier.stdout).toMatch(/^169 answered, 60 not: 0 wrong, 0 unsound, 0 below and 0 above/m)
      const file = path.join(folder, 'answers.json')
      writeFileSync(file, JSON.stringify(faultyAnswers()))
      const { status, stdout } = python(runner, file)
      expect(status).toBe(1)
      expect(stdout).toMatch(/UNSOUND fa-0: radius /)
      expect(stdout).toMatch(/answered, 1 not: 1 wrong, 4 unsound, 2 below and 1 above/)
    },
  )
})

/** An ensemble with the predictions of ART, and models with tensors like those of PyTorch, on the same numbers. */
const program = `
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from votes import from_art, from_models, save, votes_of

scores = np.random.default_rng(1).integers(0, 9, (3, 5, 4)).astype(np.float32)  # learners, inputs, classes

class Ensemble:
    classifier_weights = np.ones(3) / 3
    def predict(self, x, batch_size=128, raw=False):
        weighted = np.array([w * s for w, s in zip(self.classifier_weights, scores)])
        return weighted if raw else weighted.sum(axis=0)

class Tensor:
    def __init__(self, values): self.values = values
    def detach(self): return self
    def cpu(self): return self
    def numpy(self): return self.values

inputs = np.zeros((5, 2))
art = from_art(Ensemble(), inputs)
torch = from_models([lambda x, s=s: Tensor(s) for s in scores], inputs)
save(sys.argv[2] + "/art.npy", art)
save(sys.argv[2] + "/torch.npy", torch)
save(sys.argv[2] + "/votes.npy", votes_of(torch))
print(scores.transpose(1, 0, 2).astype(int).tolist())
for fault in ("weights", "shape", "nan"):
    broken = Ensemble()
    if fault == "weights": broken.classifier_weights = np.array([1, 0, 1])
    if fault == "shape": broken.predict = lambda x, raw: scores[:2]
    if fault == "nan": broken.predict = lambda x, raw: scores * np.nan
    try:
        from_art(broken, inputs)
        print("accepted", fault)
    except ValueError as error:
        print(error)
`

test.skipIf(withoutNumpy())('votes of ART, PyTorch and NumPy are read as they were cast (needs numpy)', async () => {
  const { status, stdout, stderr } = python('-c', program, path.join(examples, 'votes'), folder)
  expect(status, stderr).toBe(0)
  const [written, ...refusals] = stdout.trim().split('\n')
  const scores = JSON.parse(written) as number[][][]
  const ranking = (of: number[]) => of.map((_, c) => c).sort((a, b) => of[b] - of[a] || a - b)
  const expected = scores.flatMap((learners) => learners.flatMap(ranking))
  for (const name of ['art', 'torch']) {
    const { ballots } = await importBallots(path.join(folder, `${name}.npy`), { kind: 'scores', classes: 4 })
    expect([ballots.inputs, ballots.learners, ballots.places], name).toEqual([5, 3, 4])
    expect([...ballots.ranks], name).toEqual(expected)
  }
  const { ballots } = await importBallots(path.join(folder, 'votes.npy'), { kind: 'votes', classes: 4 })
  expect([...ballots.ranks]).toEqual(expected.filter((_, i) => i % 4 === 0))
  expect(certifyBallots(ballots, { rule: 'dpa' })).toHaveLength(5)
  expect(refusals[0]).toMatch(/positive classifier_weights/)
  expect(refusals[1]).toMatch(/3 learners, 5 inputs/)
  expect(refusals[2]).toMatch(/finite/)
})
