// Checks `videomae certify` against an adversary that tries everything: small lists of generated videos, and of each *every* list that
// an attacker can make of it with as many poisoned samples as are certified. Rows deleted, inserted, relabeled to known and new
// classes, without a label, in another, a misspelt or no part of the split, twice; contents replaced under an id; all rows of a
// source or period. Ends with 6 where a certified prediction changed, a target came out too early, or a bound on all inputs was
// exceeded; with 7 where nothing was checked.
//   npx tsx scripts/brute-force-lists.ts [--seeds 1] [--seed 1] [--only NAME] [--binary 0]
// `--binary N`: every N-th list also runs through the compiled program (`npm run build` first), whose runs have to be the same.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { certifyCommand } from '../src/cli/certify.ts'
import { type CertifyCommandOptions, certify } from '../src/cli/commands/certify.ts'
import { exitCodes, VideoMaeError } from '../src/index.ts'
import { RandomStream } from '../src/model.ts'
import { optionsWith } from '../test/support/options-with.ts'
import {
  type Drawn,
  generalWorld,
  idWorld,
  labelWorld,
  sourceWorld,
  temporalWorld,
  worldVideos,
} from '../test/support/poisoned-worlds.ts'
import {
  checkPromises,
  cleanChoice,
  poisonings,
  promises,
  type World,
  type WrittenCertificate,
  writeList,
} from '../test/support/poisonings.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    binary: { type: 'string', default: '0' },
  },
})
const binary = Number(values.binary)
const program = path.join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-brute-force-lists-'))
const links = path.join(folder, 'links')
const list = path.join(folder, 'list.csv')
const print = process.stdout.write.bind(process.stdout)
const total = { lists: 0, promises: 0, bounds: 0, broken: 0, binary: 0, empty: 0 }

const hashed = { rule: 'dpa,roe,fa,fa_exact,roe_fa', spread: 2 }
const every = (partitions: string): Partial<CertifyCommandOptions> => ({ ...hashed, partitions })
/** The learners in turn: what is certified depends on no kind. */
const worlds: readonly ((drawn: Drawn) => World)[] = [
  (drawn) => generalWorld(drawn, { ...every('4'), learner: 'nearest_mean' }, 1),
  (drawn) => generalWorld(drawn, { ...every('3'), learner: 'ridge', classes: 'a,b,c' }, 1),
  (drawn) => generalWorld(drawn, { ...every('5'), learner: 'nearest_mean' }, 2),
  (drawn) =>
    generalWorld(drawn, { rule: 'groups', from: Array(3).fill('pixels'), partitions: '3', learner: 'ridge' }, 1),
  (drawn) => idWorld(drawn, { ...every('3'), learner: 'linear' }, 1, links),
  (drawn) => labelWorld(drawn, { rule: 'dpa,fa,roe', spread: 2, partitions: '4', learner: 'nearest_mean' }, 1),
  (drawn) => labelWorld(drawn, { rule: 'dpa', partitions: '3', learner: 'ridge', whiteBox: true }, 1),
  (drawn) => sourceWorld(drawn, { ...every('3'), learner: 'nearest_mean' }, 1),
  (drawn) => temporalWorld(drawn, { partitions: '5', learner: 'ridge' }, 1),
  (drawn) => temporalWorld(drawn, { partitions: '4', coverage: 2, learner: 'nearest_mean' }, 1),
  (drawn) => temporalWorld(drawn, { partitions: '5', learner: 'nearest_mean' }, 2),
]

async function certified(options: Partial<CertifyCommandOptions>): Promise<WrittenCertificate> {
  const out = path.join(folder, 'out')
  rmSync(out, { recursive: true, force: true })
  process.stdout.write = () => true
  try {
    const usual = {
      from: ['pixels'],
      cache: path.join(folder, 'store'),
      threads: 1,
      workers: 1,
      quiet: true,
      json: true,
    }
    await certifyCommand(list, optionsWith(certify, { ...usual, ...options, out }))
  } finally {
    process.stdout.write = print
  }
  return readCertificate(out)
}

const readCertificate = (out: string): WrittenCertificate =>
  JSON.parse(readFileSync(path.join(out, 'certificate.json'), 'utf8')) as WrittenCertificate

function throughProgram(options: Partial<CertifyCommandOptions>): WrittenCertificate {
  const out = path.join(folder, 'program')
  rmSync(out, { recursive: true, force: true })
  const { from = ['pixels'], ...rest } = options
  const given = Object.entries(rest).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    ...(value === true ? [] : [String(value)]),
  ])
  const usual = [
    ...from.flatMap((each) => ['--from', each]),
    '--cache',
    path.join(folder, 'store'),
    '--quiet',
    '--out',
    out,
  ]
  execFileSync(process.execPath, [program, 'certify', list, ...usual, ...given], { stdio: 'pipe' })
  return readCertificate(out)
}

/** A certificate does not promise that there is an answer. @throws what is no refusal of the data */
function codeOf(error: unknown): string {
  if (error instanceof VideoMaeError && error.exit === 'data') return error.code
  throw error
}

/** A drawn world in which something is certified for as many poisoned samples as are tried; null after some tries. */
async function drawWorld(make: (drawn: Drawn) => World, files: readonly string[], seed: number, number: number) {
  for (let draw = 0; draw < 20; draw++) {
    const stream = new RandomStream(seed, number, draw, 'brute force lists')
    const start = stream.integer(files.length)
    const world = make({ files: [...files.slice(start), ...files.slice(0, start)], stream })
    writeList(list, world, cleanChoice(world))
    const target = /,c,/.test(readFileSync(list, 'utf8')) ? { target: 'c' } : {}
    const clean = await certified({
      ...world.options,
      ...target,
      collective: world.most > 1 ? '1,2' : '1',
    }).catch(codeOf)
    if (typeof clean !== 'string' && promises(clean, world.most)) return { world, clean }
  }
  return null
}

async function checkWorld(number: number, files: readonly string[], seed: number): Promise<void> {
  const drawn = await drawWorld(worlds[number], files, seed, number)
  if (drawn === null) {
    total.empty++
    return void print(`seed ${seed}, world ${number}: nothing certified in 20 lists\n`)
  }
  const { world, clean } = drawn
  const count = { lists: 0, promises: 0, bounds: 0, broken: 0 }
  const refused: Record<string, number> = {}
  for (let poisons = 1; poisons <= world.most; poisons++) {
    for (const choice of poisonings(world, poisons)) {
      writeList(list, world, choice)
      count.lists++
      const after = await certified(world.options).catch(codeOf)
      if (typeof after === 'string') {
        refused[after] = (refused[after] ?? 0) + 1
        continue
      }
      const checked = checkPromises(world, clean, choice, after)
      count.promises += checked.promises
      count.bounds += checked.bounds
      const differs =
        binary > 0 && ++total.binary % binary === 0
          ? JSON.stringify(throughProgram(world.options).runs.map(({ inputs }) => inputs)) !==
            JSON.stringify(after.runs.map(({ inputs }) => inputs))
          : false
      for (const what of [...checked.broken, ...(differs ? ['the program and its action differ'] : [])]) {
        count.broken++
        print(`seed ${seed}, world ${number}, states ${choice.join(' ')}: ${what}\n`)
      }
    }
  }
  const codes = Object.entries(refused).map(([code, times]) => `${times} ${code}`)
  print(
    `seed ${seed}, ${world.name}, up to ${world.most}, ${world.options.rule}, K = ${world.options.partitions}: ${count.lists} lists, ` +
      `${count.promises} promises and ${count.bounds} bounds checked, ${count.broken} broken${codes.length > 0 ? `; no answer: ${codes.join(', ')}` : ''}\n`,
  )
  for (const key of ['lists', 'promises', 'bounds', 'broken'] as const) total[key] += count[key]
}

try {
  mkdirSync(links)
  const first = Number(values.seed)
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    const files = await worldVideos(path.join(folder, `videos ${seed}`.replace(' ', '-')), seed)
    for (const number of worlds.keys()) {
      if (values.only === undefined || values.only === String(number)) await checkWorld(number, files, seed)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const through = binary > 0 ? `, ${Math.floor(total.binary / binary)} lists also through the program` : ''
print(
  `${total.lists} lists, ${total.promises} promises and ${total.bounds} bounds checked${through}: ` +
    `${total.broken === 0 ? 'none broken' : `${total.broken} BROKEN`}\n`,
)
process.exitCode =
  total.broken > 0 ? exitCodes.checkFailed : total.promises === 0 || total.empty > 0 ? exitCodes.nothingChecked : 0
