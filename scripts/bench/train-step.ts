/**
 * One pretraining step with the ONNX engine: clips/s, CPU time and peak memory; interleaved with the same step in
 * PyTorch where a Python with torch is given.
 *
 *     npm run build && npx tsx scripts/bench/train-step.ts [--case a,b,c] [--python PATH] [--rounds 5] [--steps 3]
 *         [--threads 2] [--dual] [--algebra published|lean] [--device cpu]
 *         [--omp-wait passive|active] [--json]
 *
 * Each side is a process of its own; they take turns round by round, and ratios are medians over rounds of
 * (PyTorch's / ours), so above 1 is faster than PyTorch. The side that waits is stopped. `--dual` times running-cell
 * masking (half the tokens decoded).
 * `--omp-wait` is PyTorch's OMP_WAIT_POLICY: `active` is as fast on an idle machine and ten times slower on a busy one.
 * `--algebra` says what PyTorch computes: the published code, or the same savings as ours (see train_step_torch.py).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { stepTokens, trainStepCases } from './train-step-cases.ts'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'a,b,c' },
    python: { type: 'string', default: process.env.VIDEOMAE_PYTHON },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    dual: { type: 'boolean', default: false },
    algebra: { type: 'string', default: 'published' },
    device: { type: 'string', default: 'cpu' },
    'omp-wait': { type: 'string', default: 'passive' },
    json: { type: 'boolean', default: false },
  },
})

interface Round {
  readonly wall: readonly number[]
  readonly cpu: readonly number[]
  readonly peak: number
}

/**
 * A measured process that does some steps when it is asked to and is stopped in between: OpenMP threads that wait
 * actively keep a core busy for as long as they have nothing to do, and would take it from the other side.
 */
class Side {
  readonly rounds: Round[] = []
  private readonly child: ChildProcess
  private readonly lines: Interface
  private readonly iterator: AsyncIterator<string>

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    this.lines = createInterface({ input: this.child.stdout! })
    this.iterator = this.lines[Symbol.asyncIterator]()
    // A stopped process does not see that its input has ended.
    process.once('exit', () => this.child.kill('SIGCONT'))
  }

  async steps(count: number, keep = true): Promise<void> {
    this.child.kill('SIGCONT')
    this.child.stdin!.write(`${JSON.stringify({ steps: count })}\n`)
    const line = await this.iterator.next()
    this.child.kill('SIGSTOP')
    if (line.done === true) throw new Error('A measured process ended early; see its message above.')
    if (keep) this.rounds.push(JSON.parse(line.value) as Round)
  }

  end(): void {
    this.child.kill('SIGCONT')
    this.child.stdin!.end()
  }
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function summary({ rounds }: Side, batch: number) {
  const wall = median(rounds.flatMap((round) => round.wall))
  return {
    stepMs: wall,
    fastestMs: Math.min(...rounds.flatMap((round) => round.wall)),
    clipsPerSecond: (1000 * batch) / wall,
    cpuMs: median(rounds.flatMap((round) => round.cpu)),
    peakMiB: Math.max(...rounds.map(({ peak }) => peak)),
  }
}

function torchSide(python: string, name: string, visible: number, predicted: number): Side {
  const { configuration, batch } = trainStepCases[name]
  const { encoder, decoder, imageSize } = configuration
  const sizes = {
    width: encoder.width,
    depth: encoder.depth,
    heads: encoder.heads,
    'decoder-width': decoder.width,
    'decoder-depth': decoder.depth,
    'decoder-heads': decoder.heads,
    size: imageSize[0],
    batch,
    visible,
    decoded: predicted,
    threads: options.threads,
    algebra: options.algebra,
  }
  const args = Object.entries(sizes).flatMap(([key, value]) => [`--${key}`, String(value)])
  // What makes glibc keep freed memory: without it every step faults its activations in anew.
  const tuning = {
    OMP_NUM_THREADS: options.threads,
    OMP_WAIT_POLICY: options['omp-wait'],
    MALLOC_MMAP_MAX_: '0',
    MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  }
  return new Side(python, [here('./train_step_torch.py'), ...args, ...(options.dual ? ['--weighted'] : [])], tuning)
}

const report: Record<string, unknown> = {}
for (const name of options.case.split(',')) {
  const found = trainStepCases[name]
  if (found === undefined)
    throw new Error(`Expected cases of ${Object.keys(trainStepCases).join(', ')}, received ${name}.`)
  const { visible, predicted } = stepTokens(found.configuration, options.dual)
  const engineArgs = [here('./train-step-engine.ts'), name, options.dual ? '1' : '0', options.threads, options.device]
  const sides = { onnx: new Side(process.execPath, ['--import', 'tsx', ...engineArgs]) } as Record<string, Side>
  if (options.python) sides.torch = torchSide(options.python, name, visible, predicted)
  // The first steps touch their memory for the first time.
  for (const side of Object.values(sides)) await side.steps(3, false)
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const side of Object.values(sides)) await side.steps(Number(options.steps))
  }
  for (const side of Object.values(sides)) side.end()
  const results = Object.fromEntries(Object.entries(sides).map(([key, side]) => [key, summary(side, found.batch)]))
  const ratio = (of: (round: Round) => number): number =>
    median(sides.onnx.rounds.map((round, i) => of(sides.torch.rounds[i]) / of(round)))
  const ratios = sides.torch && {
    wall: ratio((round) => median(round.wall)),
    cpu: ratio((round) => median(round.cpu)),
    memory: results.onnx.peakMiB / results.torch.peakMiB,
  }
  report[name] = { title: found.title, visible, predicted, ...results, ratios }
  if (options.json) continue
  console.log(`(${name}) ${found.title}: ${visible} visible, ${predicted} predicted tokens, ${options.threads} threads`)
  for (const [key, { stepMs, fastestMs, clipsPerSecond, cpuMs, peakMiB }] of Object.entries(results)) {
    const times = `${stepMs.toFixed(0)} ms (fastest ${fastestMs.toFixed(0)}), ${clipsPerSecond.toFixed(2)} clips/s`
    console.log(`  ${key.padEnd(6)} ${times}, cpu ${cpuMs.toFixed(0)} ms, peak ${peakMiB.toFixed(0)} MiB`)
  }
  if (ratios) {
    const { wall, cpu, memory } = ratios
    console.log(`  speed ${wall.toFixed(2)}x (cpu ${cpu.toFixed(2)}x) of PyTorch, memory ${memory.toFixed(2)}x`)
  }
}
if (options.json) console.log(JSON.stringify(report, null, 2))
