// Checks `videomae certify --votes` against an adversary that tries everything: random files of votes and scores in all dialects
// and types, with abstentions, unused classes and many classes, under every rule. Exits non-zero if a radius, or the budget of a
// target, is ever too large.
//   npx tsx scripts/brute-force-certificates.ts [--cases 20000] [--seed 1] [--binary 20]
// `--binary N`: every N-th case also runs the compiled program (`npm run build` first) and compares its certificate.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { certifyVotes } from '../src/cli/certify-votes.ts'
import { exitCodes } from '../src/core/errors.ts'
import { RandomStream } from '../src/core/random.ts'
import { drawCase, trueCertificates, writeCase } from '../test/certify/votes-cases.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    binary: { type: 'string', default: '0' },
  },
})
const [cases, seed, binary] = [Number(values.cases), Number(values.seed), Number(values.binary)]
const program = path.join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-brute-force-'))
const count = { cases: 0, radii: 0, exact: 0, unsound: 0, binary: 0 }
const byRule = new Map<string, number>()
const print = process.stdout.write.bind(process.stdout)

interface Written {
  readonly inputs: readonly {
    readonly prediction: number
    readonly radius: number
    readonly earliness?: number
    readonly targets: readonly { readonly poisons: number | null }[]
  }[]
}

try {
  for (let number = 0; number < cases; number++) {
    const drawn = drawCase(new RandomStream(seed, number, 'brute force'))
    const { file, options, arguments: given } = await writeCase(drawn, folder)
    const out = path.join(folder, 'out')
    process.stdout.write = () => true
    try {
      await certifyVotes(file, { ...options, out, quiet: true, json: true })
    } catch (error) {
      print(`seed ${seed}, case ${number}: ${String(error)}\n  ${given.join(' ')}\n`)
      throw error
    } finally {
      process.stdout.write = print
    }
    const written = path.join(out, `imported-certificate-${drawn.rule}.json`)
    const text = readFileSync(written, 'utf8')
    const { inputs } = JSON.parse(text) as Written
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
print(
  `seed ${seed}: ${count.cases} files (${rules}), ${count.radii} radii, ${((100 * count.exact) / count.radii).toFixed(1)} % exact, ` +
    `${count.binary} also through the program: ${count.unsound === 0 ? 'never unsound' : `${count.unsound} UNSOUND`}\n`,
)
process.exitCode = count.unsound === 0 ? exitCodes.success : exitCodes.checkFailed
