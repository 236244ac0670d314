/** `certify --votes` on random files against an adversary that tries everything. The long version: scripts/brute-force-certificates.ts. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { certifyVotesCommand } from '../../src/cli/certify-votes.ts'
import { certify } from '../../src/cli/commands/certify.ts'
import { RandomStream } from '../../src/core/random.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { optionsWith } from '../support/options-with.ts'
import { drawTogether, trueCertificates, trueTogether } from '../support/votes-adversary.ts'
import { drawCase, writeCase } from '../support/votes-cases.ts'

const folder = folderForTests('videomae-votes-cases-')
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
})
afterEach(() => {
  vi.restoreAllMocks()
})

interface Written {
  readonly collective?: readonly { readonly budget: number; readonly changedAtMost: number }[]
  readonly inputs: readonly {
    readonly prediction: number
    readonly radius: number
    readonly earliness?: number
    readonly targets: readonly { readonly class: number; readonly poisons: number | null }[]
  }[]
}

test('no radius and no budget of a target is larger than what the adversary leaves, in any dialect, type or rule', async () => {
  let [radii, exact, exactTargets] = [0, 0, 0]
  const seen = new Set<string>()
  for (let number = 0; number < 250; number++) {
    const drawn = drawCase(new RandomStream(7, number, 'brute force'))
    seen.add(drawn.rule).add(drawn.dialect)
    const { file, options } = await writeCase(drawn, folder)
    const out = path.join(folder, 'out')
    await certifyVotesCommand(file, optionsWith(certify, { ...options, out, quiet: true, json: true }))
    const text = readFileSync(path.join(out, `imported-certificate-${drawn.rule}.json`), 'utf8')
    const { inputs } = JSON.parse(text) as Written
    for (const [t, { prediction, radius, limit, earliness, target }] of trueCertificates(drawn).entries()) {
      const where = `case ${number}, input ${t}: ${JSON.stringify(drawn)}`
      expect(inputs[t].prediction, where).toBe(prediction)
      expect(Math.min(inputs[t].radius, limit), where).toBeLessThanOrEqual(radius)
      if (earliness !== undefined) expect(inputs[t].earliness, where).toBeLessThanOrEqual(earliness)
      const [stated] = inputs[t].targets
      expect(stated.class, where).toBe(drawn.target)
      const poisons = Math.min(stated.poisons ?? Number.POSITIVE_INFINITY, target.limit)
      expect(poisons, where).toBeLessThanOrEqual(target.poisons)
      if (poisons === target.poisons) exactTargets++
      radii++
      if (Math.min(inputs[t].radius, limit) === radius) exact++
    }
  }
  expect(seen.size).toBe(29) // 7 rules, 11 dialects and 11 types
  expect(exact / radii).toBeGreaterThan(0.9)
  expect(exactTargets / radii).toBeGreaterThan(0.9)
})

test('no bound on all inputs together is below what one attack on all of them changes', async () => {
  const budgets = [1, 2]
  let [bounds, exact, lessThanAll] = [0, 0, 0]
  const seen = new Set<string>()
  for (let number = 0; number < 100; number++) {
    const drawn = drawTogether(new RandomStream(7, number, 'together'))
    seen.add(drawn.rule)
    const { file, options } = await writeCase(drawn, folder)
    const out = path.join(folder, 'together')
    await certifyVotesCommand(
      file,
      optionsWith(certify, { ...options, collective: budgets.join(','), out, quiet: true, json: true }),
    )
    const text = readFileSync(path.join(out, `imported-certificate-${drawn.rule}.json`), 'utf8')
    const { collective: found = [] } = JSON.parse(text) as Written
    const { right, changed } = trueTogether(drawn, budgets)
    expect(found.map(({ budget }) => budget)).toEqual(budgets)
    for (const [b, { changedAtMost }] of found.entries()) {
      expect(changedAtMost, `case ${number}, budget ${budgets[b]}: ${JSON.stringify(drawn)}`).toBeGreaterThanOrEqual(
        changed[b],
      )
      bounds++
      if (changedAtMost === changed[b]) exact++
      if (changedAtMost < right) lessThanAll++
    }
  }
  expect(seen.size).toBe(7)
  expect(exact / bounds).toBeGreaterThan(0.8)
  expect(lessThanAll).toBeGreaterThan(10)
})
