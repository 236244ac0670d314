/**
 * Training on two ranks with NCCL against training in one process, on real GPUs: one per rank, or one for both.
 *
 *   npm run build
 *   npx tsx scripts/gpu-ranks.ts [--steps 12] [--log gpu-ranks.log] [--dry-run]
 *
 * Passes when two ranks give the losses of one process (the first to 1e-6, all to 1e-4), its weights to 1e-3 by norm, and the same bits in a second run;
 * ranks that MPI has started, where there is an mpirun, give the bits of those that nothing but variables connect. Then
 * scripts/bench/nccl-sum.ts says what the sums cost. Two ranks on one GPU need NCCL 2.30 or later; the script sets
 * NCCL_MULTI_RANK_GPU_ENABLE=1 and NCCL_MAX_CTAS=4 for them. --dry-run makes all of it small enough for an emulated device
 * (dev/engine-cuda.md). Ends with exit code 6 where something differs. This has not run on hardware yet.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { findMpiPrograms } from '../src/distributed/find-mpi.ts'
import { findNccl } from '../src/engine/cuda/driver/find.ts'
import { countGpus } from '../src/engine/cuda/driver/open.ts'
import { inThreadCudaEngine } from '../src/engine/cuda/index.ts'
import { readSafetensors } from '../src/format/safetensors.ts'
import { exitCodes } from '../src/index.ts'
import { generateMotionDataset } from '../src/synthetic/generate.ts'
import { tinyRecipe } from './support/torture/tiny-run.ts'

const { values } = parseArgs({
  options: {
    steps: { type: 'string' },
    log: { type: 'string', default: 'gpu-ranks.log' },
    'dry-run': { type: 'boolean', default: false },
  },
})
const dryRun = values['dry-run']
const steps = Number(values.steps ?? (dryRun ? 5 : 12))
const root = path.dirname(import.meta.dirname)
const main = path.join(root, 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(tmpdir(), 'videomae-gpu-ranks-'))
const failures: string[] = []

function say(line: string): void {
  process.stdout.write(`${line}\n`)
  appendFileSync(values.log, `${line}\n`)
}

writeFileSync(values.log, `${new Date().toISOString()}\n`)
const { available, detail } = await inThreadCudaEngine.probe()
const nccl = findNccl()
say(`${detail}; NCCL: ${nccl?.path ?? 'not found'}`)
if (!available || nccl === null) process.exit(exitCodes.environment)
const shared = countGpus() < 2
const env = { ...process.env, ...(shared && { NCCL_MULTI_RANK_GPU_ENABLE: '1', NCCL_MAX_CTAS: '4' }) }
say(shared ? 'two ranks on one GPU' : 'a GPU for each of two ranks')

function run(name: string, launch: readonly string[]): void {
  const [videos, recipe] = [path.join(folder, 'videos'), path.join(folder, 'tiny.yaml')]
  const train = ['pretrain', videos, '--recipe', recipe, '--out', path.join(folder, name), '--engine', 'cuda']
  const began = performance.now()
  const done = spawnSync(process.execPath, [main, ...launch, ...train], { env, encoding: 'utf8', timeout: 600_000 })
  if (done.status !== 0) {
    say(`${name}: ended with ${done.status}\n${done.stderr}`)
    rmSync(folder, { recursive: true })
    process.exit(exitCodes.checkFailed)
  }
  const line = /^ranks.*$/m.exec(done.stderr)?.[0] ?? 'one process'
  say(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s, ${line}`)
}

interface Step {
  readonly loss: number
  readonly gradientNorm: number
}
const curve = (name: string): Step[] =>
  readFileSync(path.join(folder, name, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Step)
const weightsFile = (name: string): string =>
  path.join(folder, name, `step-${String(steps).padStart(8, '0')}`, 'model.safetensors')

function check(what: string, value: number, most: number): void {
  say(`${what}: ${value.toExponential(2)} (at most ${most})`)
  if (!(value <= most)) failures.push(what)
}

/** Norm of the difference over the norm, over all weights. */
async function distance(name: string, other: string): Promise<number> {
  const [one, two] = await Promise.all([name, other].map((each) => readSafetensors(weightsFile(each))))
  let [difference, norm] = [0, 0]
  for (const tensor of one.names) {
    const twin = await two.readFloat32(tensor)
    for (const [i, value] of (await one.readFloat32(tensor)).entries()) {
      difference += (value - twin[i]) ** 2
      norm += value ** 2
    }
  }
  await Promise.all([one.close(), two.close()])
  return Math.sqrt(difference / norm)
}

function compareBits(name: string, other: string): void {
  const same = readFileSync(weightsFile(name)).equals(readFileSync(weightsFile(other)))
  say(`weights of ${name} and ${other}: ${same ? 'the same bits' : 'OTHER BITS'}`)
  if (!same) failures.push(`bits of ${name}`)
}

await generateMotionDataset(path.join(folder, 'videos'), { clips: 12, size: 32, frames: 12 })
writeFileSync(path.join(folder, 'tiny.yaml'), tinyRecipe(2, steps))
const ranks = (program: string): string[] => ['launch', '--ranks', '2', '--mpirun', program, '--']
run('alone', [])
run('two', ranks('none'))
run('again', ranks('none'))
const [mpi] = await findMpiPrograms()
if (mpi === undefined) say('no mpirun is on PATH: not compared with ranks that MPI has started')
else run('mpi', ranks(mpi.path))
const [alone, two] = [curve('alone'), curve('two')]
const differences = alone.map(({ loss }, i) => Math.abs(loss - two[i].loss))
check('first loss, difference', differences[0], 1e-6)
check('all losses, largest difference', Math.max(...differences), 1e-4)
const norms = alone.map(({ gradientNorm }, i) => Math.abs(two[i].gradientNorm / gradientNorm - 1))
check('gradient norms, largest relative difference', Math.max(...norms), 1e-3)
check('weights, relative difference by norm', await distance('alone', 'two'), 1e-3)
compareBits('two', 'again')
if (mpi !== undefined) compareBits('two', 'mpi')
const small = dryRun ? ['--sizes', 'small', '--rounds', '1'] : []
const bench = ['--import', 'tsx', path.join('scripts', 'bench', 'nccl-sum.ts'), ...small]
const sums = spawnSync(process.execPath, bench, { cwd: root, env, encoding: 'utf8', timeout: 600_000 })
say(`nccl-sum: exit ${sums.status}\n${sums.stdout}${sums.status === 0 ? '' : sums.stderr}`)
if (sums.status !== 0) failures.push('nccl-sum')
rmSync(folder, { recursive: true })
say(
  `${dryRun ? 'dry run: ' : ''}${failures.length === 0 ? 'passed' : `FAILED: ${failures.join(', ')}`}; the output is in ${values.log}`,
)
process.exitCode = failures.length === 0 ? exitCodes.success : exitCodes.checkFailed
