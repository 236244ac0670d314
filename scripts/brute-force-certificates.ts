// Checks `videomae certify --votes` against an adversary that tries everything: random files of votes and scores in all dialects
// and types, with abstentions, unused classes and many classes, under every rule. Exits non-zero if a radius, or the budget of a
// target, is ever too large.
//   npx tsx scripts/brute-force-certificates.ts [--cases 20000] [--seed 1] [--binary 20] [--collective]
// `--binary N`: every N-th case also runs the compiled program (`npm run build` first) and compares its certificate.
// `--collective`: files with more inputs, most of them predicted right, and also the bound on all inputs together for 1 and 2
// poisoned samples against every attack on all of them at once.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { certifyVotesCommand } from '../src/cli/certify-votes.ts'
import { certify } from '../src/cli/commands/certify.ts'
import { exitCodes } from '../src/index.ts'
import { RandomStream } from '../src/model.ts'
import { optionsWith } from '../test/support/options-with.ts'
import { drawTogether, trueCertificates, trueTogether } from '../test/support/votes-adversary.ts'
import { drawCase, type VotesCase, writeCase } from '../test/support/votes-cases.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    binary: { type: 'string', default: '0' },
    collective: { type: 'boolean', default: false },
  },
})
const [cases, seed, binary] = [Number(values.cases), Number(values.seed), Number(values.binary)]
const program = path.join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-brute-force-'))
const count = { cases: 0, radii: 0, exact: 0, unsound: 0, binary: 0, bounds: 0, exactBounds: 0, useful: 0 }
const budgets = values.collective ? [1, 2] : []
const byRule = new Map<string, number>()
const print = process.stdout.write.bind(process.stdout)

interface Written {
  readonly collective?: readonly {
    readonly budget: number
    readonly changedAtMost: number
    readonly certifiedAccuracy: number
  }[]
  readonly inputs: readonly {
    readonly prediction: number
    readonly radius: number
    readonly earliness?: number
    readonly targets: readonly { readonly poisons: number | null }[]
  }[]
}

/** Counts and prints bounds that are below what an attack changes, or that do not fit the share that stays right. */
function checkBounds(drawn: VotesCase, bounds: NonNullable<Written['collective']>, where: string): void {
  const { known, right, changed } = trueTogether(drawn, budgets)
  for (const [b, budget] of budgets.entries()) {
    const { changedAtMost, certifiedAccuracy } = bounds.find((row) => row.budget === budget) ?? {
      changedAtMost: -1,
      certifiedAccuracy: -1,
    }
    count.bounds++
    if (changedAtMost === changed[b]) count.exactBounds++
    if (changedAtMost < right) count.useful++
    if (changedAtMost >= changed[b] && certifiedAccuracy * known <= right - changed[b] + 1e-9) continue
    count.unsound++
    print(
      `${where}, ${drawn.rule}: ${budget} poisoned samples change at most ${changedAtMost} of ${right}, true ${changed[b]}\n  ${JSON.stringify(drawn)}\n`,
    )
  }
}

try {
  for (let number = 0; number < cases; number++) {
    const stream = new RandomStream(seed, number, values.collective ? 'brute force together' : 'brute force')
    const drawn = values.collective ? drawTogether(stream) : drawCase(stream)
    const { file, options, arguments: usual } = await writeCase(drawn, folder)
    const collective = values.collective ? { collective: budgets.join() } : {}
    const given = values.collective ? [...usual, '--collective', budgets.join()] : usual
    const out = path.join(folder, 'out')
    process.stdout.write = () => true
    try {
      await certifyVotesCommand(file, optionsWith(certify, { ...options, ...collective, out, quiet: true, json: true }))
    } catch (error) {
      print(`seed ${seed}, case ${number}: ${String(error)}\n  ${given.join(' ')}\n`)
      throw error
    } finally {
      process.stdout.write = print
    }
    const written = path.join(out, `imported-certificate-${drawn.rule}.json`)
    const text = readFileSync(written, 'utf8')
    const { inputs, collective: bounds = [] } = JSON.parse(text) as Written
    if (values.collective) checkBounds(drawn, bounds, `seed ${seed}, case ${number}`)
    for (const [t, truth] of trueCertificates(drawn).entries()) {
      const found = inputs[t]
      count.radii++
      const poisons = Math.min(found.targets[0].poisons ?? Number.POSITIVE_INFINITY, truth.target.limit)
      const wrong =
        found.prediction !== truth.prediction ||
        poisons > truth.target.poisons ||
        Math.min(found.radius, truth.limit) > truth.radius ||
        (truth.earliness !== undefined && (found.earliness ?? 0) > truth.earliness)
      if (!wrong && Math.min(found.radius, truth.limit) === truth.radius) count.exact++
      if (!wrong) continue
      count.unsound++
      print(
        `seed ${seed}, case ${number}, input ${t}, ${drawn.rule}: predicted ${found.prediction} radius ${found.radius}, ` +
          `true ${truth.prediction} radius ${truth.radius}, target ${poisons} of ${truth.target.poisons}\n  ${given.join(' ')}\n  ${JSON.stringify(drawn)}\n`,
      )
    }
    count.cases++
    byRule.set(drawn.rule, (byRule.get(drawn.rule) ?? 0) + 1)
    if (binary > 0 && number % binary === 0) {
      execFileSync(process.execPath, [program, 'certify', ...given, '--out', out, '--quiet'], { stdio: 'pipe' })
      if (readFileSync(written, 'utf8') !== text) {
        count.unsound++
        print(`seed ${seed}, case ${number}: the program and its action differ\n  ${given.join(' ')}\n`)
      }
      count.binary++
    }
    if ((number + 1) % 1000 === 0) print(`${number + 1} cases, ${count.radii} radii, ${count.unsound} unsound\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const rules = [...byRule].map(([rule, times]) => `${rule} ${times}`).join(', ')
if (values.collective) {
  const share = (part: number) => ((100 * part) / count.bounds).toFixed(1)
  print(
    `${count.bounds} bounds on all inputs together, ${share(count.exactBounds)} % exact, ${share(count.useful)} % below the number of right predictions\n`,
  )
}
print(
  `seed ${seed}: ${count.cases} files (${rules}), ${count.radii} radii, ${((100 * count.exact) / count.radii).toFixed(1)} % exact, ` +
    `${count.binary} also through the program: ${count.unsound === 0 ? 'never unsound' : `${count.unsound} UNSOUND`}\n`,
)
process.exitCode = count.unsound === 0 ? exitCodes.success : exitCodes.checkFailed
