/**
 * The memory that a run is said to need against what it takes: each case is `videomae pretrain` for two steps in a process of its own.
 * Prints the estimate for that process (without its decoding processes), the peak of its resident memory, and the ratio. Linux; needs `npm run build`.
 *
 * npx tsx scripts/bench/memory-estimate.ts [case] [engine]
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../src/core/entry.ts'
import { loadRunConfiguration, parseOverride, recipeFile } from '../../src/index.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { formatBytes, memoryNeed } from '../../src/train/memory-need.ts'
import { buildPretraining } from '../../src/train/pretrain-session.ts'
import { resolveRun } from '../../src/train/resolve.ts'

const clips = (count: number): string[] => [`batch.size=${count}`, `batch.perRun=${count}`, 'data.samplesPerClip=1']

/** Recipe, and what replaces its values. */
const cases: Readonly<Record<string, readonly [recipe: string, sets: readonly string[]]>> = {
  demo: ['demo', []],
  'demo-1': ['demo', clips(1)],
  'width-192': [
    'laptop-pretrain',
    [
      ...[
        'model.width=192',
        'model.depth=12',
        'model.heads=3',
        'model.resolution=112',
        'model.frames=16',
        'model.patch=16',
      ],
      ...['model.decoder.width=96', 'model.decoder.depth=4', 'model.decoder.heads=3', ...clips(8)],
    ],
  ],
  'vit-s': ['k400-s', clips(2)],
  'vit-b': ['k400-b', clips(1)],
}

/** Engines with their precision, and the cases that each can run in minutes. */
const engines = [
  { engine: 'native', precision: 'float32', runs: ['demo', 'width-192', 'vit-s', 'vit-b'] },
  { engine: 'native', precision: 'bfloat16', runs: ['demo', 'width-192', 'vit-s', 'vit-b'] },
  { engine: 'onnx', precision: 'float32', runs: ['demo', 'width-192', 'vit-s', 'vit-b'] },
  { engine: 'reference', precision: 'float32', runs: ['demo-1'] },
] as const

const steps = [
  'schedule.duration=2 steps',
  'schedule.warmup=0 steps',
  'data.workers=1',
  'clip.stride=1',
  'clip.fps=null',
]

/** Peak resident memory of a run in bytes. */
async function peakOf(args: readonly string[]): Promise<number> {
  const main = fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let peak = 0
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const timer = setInterval(() => {
    try {
      const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
      if (kilobytes !== undefined) peak = Math.max(peak, Number(kilobytes) * 1024)
    } catch {
      // It has ended.
    }
  }, 10)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(said)
  return peak
}

async function estimateOf(
  recipe: string,
  sets: readonly string[],
  engine: string,
): Promise<ReturnType<typeof memoryNeed>> {
  const overrides = sets.map(parseOverride)
  const run = resolveRun(await loadRunConfiguration({ file: recipeFile(recipe), overrides }))
  return memoryNeed({ engine, training: buildPretraining(run), workers: 0, options: run.configuration.engine })
}

const [onlyCase, onlyEngine] = process.argv.slice(2)
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-memory-'))
try {
  await generateMotionDataset(path.join(folder, 'videos'), { clips: 16, size: 64, frames: 24 })
  console.log('case        engine                 estimate     taken  ratio  parts')
  for (const { engine, precision, runs } of engines) {
    for (const name of runs) {
      if ((onlyCase ?? name) !== name || (onlyEngine ?? engine) !== engine) continue
      const [recipe, own] = cases[name]
      const sets = [...own, ...steps, `engine.precision=${precision}`]
      const out = path.join(folder, `${name}-${engine}-${precision}`)
      const { total, available: _, ...parts } = await estimateOf(recipe, sets, engine)
      const peak = await peakOf([
        ...['pretrain', path.join(folder, 'videos'), '--recipe', recipe, '--out', out, '--engine', engine, '--force'],
        ...sets.flatMap((set) => ['--set', set]),
      ])
      rmSync(out, { recursive: true })
      const shown = Object.entries(parts).map(([part, bytes]) => `${part} ${formatBytes(bytes)}`)
      console.log(
        `${name.padEnd(11)} ${`${engine} ${precision}`.padEnd(20)} ${formatBytes(total).padStart(10)} ${formatBytes(peak).padStart(9)} ${(total / peak).toFixed(2).padStart(6)}  ${shown.join(', ')}`,
      )
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
