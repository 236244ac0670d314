/** Every list that an attacker can make of a small one, against what is promised. The long version: scripts/brute-force-lists.ts. */
import { mkdtempSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { generalWorld, temporalWorld, worldVideos } from '../support/poisoned-worlds.ts'
import {
  type Choice,
  checkPromises,
  cleanChoice,
  poisonings,
  type World,
  type WrittenCertificate,
  writeList,
} from '../support/poisonings.ts'
import { videomae } from '../support/run-program.ts'

const folder = folderForTests('videomae-poisonings-')
const drawn = (files: readonly string[], seed: number) => ({ files, stream: new RandomStream('poisonings test', seed) })
const names = Array.from({ length: 12 }, (_, i) => `${i}.mp4`)

/** The class of most protected rows, ties to the name that sorts first: a vote of each row. */
function majority(world: World, choice: Choice, more: number): WrittenCertificate {
  const rows = [...choice.flatMap((state, unit) => world.units[unit][state]), ...(world.fixed ?? [])]
  const labels = rows.flatMap(({ label, split }) => (split === 'train' && label !== undefined ? [label] : []))
  const classNames = [...new Set(['', ...labels, ...rows.map(({ label = '' }) => label)])].sort()
  const votes = classNames.map((name) => labels.filter((label) => label === name).length)
  const prediction = votes.indexOf(Math.max(...votes))
  // The name '' has no votes and wins every tie.
  const others = votes.map((count, c) => (c === prediction ? 0 : count + (c < prediction ? 1 : 0)))
  const lead = votes[prediction] - Math.max(...others)
  const radius = Math.max(0, Math.floor(lead / 2)) + more
  const inputs = rows.flatMap(({ file, label = '', split }) =>
    split === 'test' ? [{ id: file, label: classNames.indexOf(label), prediction, radius }] : [],
  )
  const right = inputs.filter((input) => input.label === prediction).length
  const collective = [1, 2].map((budget) => ({ budget, changedAtMost: radius >= budget ? 0 : right }))
  return { classNames, runs: [{ rule: 'majority', inputs, collective }] }
}

describe('all poisoned lists', () => {
  test.each([1, 2])('up to %d poisoned samples keep true promises, and break those that say one too many', (most) => {
    let [kept, bounds, broken] = [0, 0, 0]
    for (let seed = 0; seed < 8; seed++) {
      const whole = generalWorld(drawn(names, seed), {}, most)
      // Three or five protected rows: with more, one poisoned sample too many is rarely enough.
      const world = { ...whole, units: whole.units.slice(5 - 2 * most) }
      for (const more of [0, 1]) {
        const clean = majority(world, cleanChoice(world), more)
        for (const choice of poisonings(world, most)) {
          const checked = checkPromises(world, clean, choice, majority(world, choice, 0))
          if (more === 1) broken += checked.broken.length
          else expect(checked.broken, choice.join(' ')).toEqual([])
          if (more === 0) kept += checked.promises
          if (more === 0) bounds += checked.bounds
        }
      }
    }
    expect(Math.min(kept, bounds, broken)).toBeGreaterThan(10)
  })

  test('change periods in a row only, and each of these choices once', () => {
    const world = temporalWorld(drawn(names, 0), {}, 2)
    const choices = [...poisonings(world, 2)]
    for (const choice of choices) {
      const [first, last, ...more] = choice.flatMap((state, unit) => (state === 0 ? [] : [unit]))
      expect([last - first, more.length]).toEqual([1, 0])
    }
    const ways = world.units.map((unit) => unit.length - 1)
    const pairs = ways.slice(1).reduce((sum, count, i) => sum + count * ways[i], 0)
    expect([choices.length, new Set(choices.map(String)).size]).toEqual([pairs, pairs])
  })
})

test('certify keeps its promises whichever row gets the name of a new class', async () => {
  const files = await worldVideos(path.join(folder, 'videos'), 1)
  const list = path.join(folder, 'list.csv')
  const certified = async (world: World, choice: Choice): Promise<WrittenCertificate | null> => {
    writeList(list, world, choice)
    const out = mkdtempSync(path.join(folder, 'out-'))
    const given = ['--from', 'pixels', '--cache', path.join(folder, 'store'), '--learner', 'nearest_mean']
    const rules = ['--partitions', '3', '--rule', 'dpa', '--threads', '1', '--workers', '1']
    const { code, stderr } = await videomae('certify', list, ...given, ...rules, '--out', out, '--quiet')
    // A certificate does not promise that there is an answer: one class alone is refused.
    if (stderr.includes('CLASSES_TOO_FEW')) return null
    expect(code, stderr).toBe(0)
    return JSON.parse(readFileSync(path.join(out, 'certificate.json'), 'utf8')) as WrittenCertificate
  }
  let world: World
  let clean: WrittenCertificate | null
  let seed = 2
  // Which video is in which partition hangs on its bytes: the first list where radii differ.
  do {
    world = generalWorld(drawn(files, seed++), {}, 1)
    clean = await certified(world, cleanChoice(world))
  } while ((clean === null || radiiOf(clean).size < 2) && seed < 20)
  if (clean === null) throw new Error('Expected a list with two classes.')
  const { units } = world
  const renamed = [...poisonings(world, 1)].filter((choice) =>
    choice.some((state, unit) => {
      const [row] = units[unit][state]
      return state > 0 && units[unit][0][0]?.split === 'train' && row?.label === '!'
    }),
  )
  expect(renamed).toHaveLength(6)
  let checks = 0
  for (const choice of renamed) {
    const after = await certified(world, choice)
    if (after === null) continue
    const checked = checkPromises(world, clean, choice, after)
    expect(checked.broken, choice.join(' ')).toEqual([])
    checks += checked.promises
  }
  expect(checks).toBeGreaterThan(4)
})

const radiiOf = ({ runs }: WrittenCertificate): ReadonlySet<number> =>
  new Set(runs.flatMap(({ inputs }) => inputs.map(({ radius }) => radius)))
