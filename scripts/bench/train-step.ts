/**
 * One step on the CPU engines: clips/s, CPU time and peak memory; interleaved with the same step in PyTorch where a Python
 * with torch is given. Cases a, b and c are pretraining; finetune and features are a step of full fine-tuning and the
 * features of a batch. `--batch 1,2,4,8,16` runs every case at these batch sizes and ends with a table of the cost per clip.
 *
 *     npm run build && npx tsx scripts/bench/train-step.ts [--case a,b,c,finetune,features] [--batch 1,2,4,8,16]
 *         [--python PATH] [--rounds 5] [--steps 3]
 *         [--sides native-bf16,native-fp32,onnx,torch-fp32,torch-bf16-manual,torch-bf16-sdpa]
 *         [--threads 2] [--dual] [--algebra published|lean] [--device cpu]
 *         [--omp-wait passive|active] [--realtime] [--json]
 *
 * Each side is a process of its own; they take turns round by round. The ratio of an engine is the median over rounds
 * of (the time of PyTorch's best side of the same precision / its own), so above 1 is faster than PyTorch. The sides
 * that wait are stopped. `--realtime` (root) runs the steps, and nothing else, at real-time priority: for machines with
 * other work on them. `--dual` times running-cell masking (half the tokens decoded).
 * `--omp-wait` is PyTorch's OMP_WAIT_POLICY: `active` is as fast on an idle machine and ten times slower on a busy one.
 * `--algebra` says what PyTorch computes: the published code, or the same savings as ours (see train_step_torch.py).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { stepTokens, type TrainStepCase, trainStepCases } from './support/train-step-cases.ts'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'a,b,c' },
    batch: { type: 'string', default: '' },
    python: { type: 'string', default: process.env.VIDEOMAE_PYTHON },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    dual: { type: 'boolean', default: false },
    algebra: { type: 'string', default: 'published' },
    sides: { type: 'string', default: 'native-bf16,native-fp32,onnx,torch-fp32,torch-bf16-manual,torch-bf16-sdpa' },
    device: { type: 'string', default: '' },
    'omp-wait': { type: 'string', default: 'passive' },
    realtime: { type: 'boolean', default: false },
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
    process.once('exit', this.wake)
  }

  private readonly wake = (): void => {
    this.child.kill('SIGCONT')
  }

  async steps(count: number, keep = true): Promise<void> {
    this.prioritize(true)
    this.child.kill('SIGCONT')
    this.child.stdin!.write(`${JSON.stringify({ steps: count })}\n`)
    const line = await this.iterator.next()
    this.child.kill('SIGSTOP')
    this.prioritize(false)
    if (line.done === true) throw new Error('A measured process ended early; see its message above.')
    if (keep) this.rounds.push(JSON.parse(line.value) as Round)
  }

  /** All threads of the process. */
  private prioritize(realtime: boolean): void {
    if (!options.realtime) return
    const policy = realtime ? ['-r', '-p', '5'] : ['-o', '-p', '0']
    spawnSync('chrt', ['-a', ...policy, String(this.child.pid)], { stdio: 'ignore' })
  }

  end(): void {
    process.removeListener('exit', this.wake)
    this.wake()
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

function torchSide(python: string, side: string, task: TrainStepCase, visible: number, predicted: number): Side {
  const [, precision, attention = 'sdpa'] = side.split('-')
  const { job, configuration, batch } = task
  const { encoder, decoder, imageSize } = configuration
  const sizes = {
    job,
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
    precision: precision === 'bf16' ? 'bfloat16' : 'float32',
    attention,
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

function engineSide(side: string, { job, configuration, batch }: TrainStepCase): Side {
  const [engine, precision] = side.split('-')
  const task = {
    ...{ job, configuration, batch, ...stepTokens(configuration, options.dual), dual: options.dual, engine },
    precision: precision === 'bf16' ? 'bfloat16' : 'float32',
    threads: Number(options.threads),
    device: options.device === '' ? undefined : options.device,
  }
  return new Side(process.execPath, [here('./support/train-step-engine.mjs'), JSON.stringify(task)])
}

/** PyTorch's side of an engine's precision that was fastest. */
function rival(side: string, sides: Readonly<Record<string, Side>>): string | null {
  const precision = side.split('-')[1] ?? 'fp32'
  const candidates = Object.keys(sides).filter((key) => key.startsWith(`torch-${precision}`))
  const time = (key: string): number => median(sides[key].rounds.flatMap(({ wall }) => wall))
  return candidates.sort((x, y) => time(x) - time(y))[0] ?? null
}

function ratiosOf(side: string, other: string, sides: Readonly<Record<string, Side>>) {
  const { rounds } = sides[side]
  const rivals = sides[other].rounds
  const ratio = (of: (round: Round) => number): number => median(rounds.map((round, i) => of(rivals[i]) / of(round)))
  const peak = (list: readonly Round[]): number => Math.max(...list.map((round) => round.peak))
  return {
    rival: other,
    wall: ratio((round) => median(round.wall)),
    cpu: ratio((round) => median(round.cpu)),
    memory: peak(rounds) / peak(rivals),
  }
}

/** The cases that are asked for, each at every batch size that is. */
function wantedCases(): readonly (readonly [string, TrainStepCase])[] {
  return options.case.split(',').flatMap((name) => {
    const found = trainStepCases[name]
    if (found === undefined)
      throw new Error(`Expected cases of ${Object.keys(trainStepCases).join(', ')}, received ${name}.`)
    if (options.batch === '') return [[name, found] as const]
    return options.batch.split(',').map((text) => {
      const batch = Number(text)
      if (!Number.isInteger(batch) || batch < 1)
        throw new Error(`Expected batch sizes such as 1,2,4, received ${text}.`)
      const title = found.title.replace(/batch \d+$/, `batch ${batch}`)
      return [`${name}, batch ${batch}`, { ...found, title, batch }] as const
    })
  })
}

const report: Record<string, unknown> = {}
const costs: string[] = []
for (const [name, found] of wantedCases()) {
  const { total, visible, predicted } = stepTokens(found.configuration, options.dual)
  const sides: Record<string, Side> = {}
  for (const side of options.sides.split(',')) {
    if (!side.startsWith('torch-')) sides[side] = engineSide(side, found)
    else if (options.python) sides[side] = torchSide(options.python, side, found, visible, predicted)
    else continue
    // The first steps touch their memory for the first time. One side at a time: starting costs as much as a step.
    await sides[side].steps(3, false)
  }
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const side of Object.values(sides)) await side.steps(Number(options.steps))
  }
  for (const side of Object.values(sides)) side.end()
  const results = Object.fromEntries(Object.entries(sides).map(([key, side]) => [key, summary(side, found.batch)]))
  const ratios: Record<string, ReturnType<typeof ratiosOf>> = {}
  for (const side of Object.keys(sides)) {
    const other = side.startsWith('torch-') ? null : rival(side, sides)
    if (other !== null) ratios[side] = ratiosOf(side, other, sides)
  }
  report[name] = { title: found.title, visible, predicted, ...results, ratios }
  for (const [key, { stepMs }] of Object.entries(results)) {
    costs.push(`  ${name.padEnd(20)} ${key.padEnd(17)} ${(stepMs / found.batch).toFixed(1).padStart(8)} ms a clip`)
  }
  if (options.json) continue
  const tokens = found.job === 'pretrain' ? `${visible} visible, ${predicted} predicted tokens` : `${total} tokens`
  console.log(`(${name}) ${found.title}: ${tokens}, ${options.threads} threads`)
  for (const [key, { stepMs, fastestMs, clipsPerSecond, cpuMs, peakMiB }] of Object.entries(results)) {
    const times = `${stepMs.toFixed(0)} ms (fastest ${fastestMs.toFixed(0)}), ${clipsPerSecond.toFixed(2)} clips/s`
    console.log(`  ${key.padEnd(17)} ${times}, cpu ${cpuMs.toFixed(0)} ms, peak ${peakMiB.toFixed(0)} MiB`)
  }
  for (const [key, { rival: other, wall, cpu, memory }] of Object.entries(ratios)) {
    const speed = `${wall.toFixed(2)}x (cpu ${cpu.toFixed(2)}x), memory ${memory.toFixed(2)}x`
    console.log(`  ${key} against ${other}: speed ${speed}`)
  }
}
if (options.batch !== '' && !options.json) console.log(`Cost per clip\n${costs.join('\n')}`)
if (options.json) console.log(JSON.stringify(report, null, 2))
