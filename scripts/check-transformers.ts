// The half of check-transformers.py that runs in Node.
//   write DIR   save small random models of every kind below DIR, and a clip and masks
//   logits DIR  load every model below DIR and write what it computes next to it
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { referenceEngine } from '../src/engine/reference/index.ts'
import type { Program } from '../src/graph.ts'
import { booleanMask, splitMask } from '../src/mask/mask.ts'
import {
  buildClassifyProgram,
  buildEncodeProgram,
  buildPretrainProgram,
  clipShape,
  createMask,
  type LoadedCheckpoint,
  loadCheckpointDirectory,
  type ModelConfiguration,
  type ModelKind,
  parameterShapes,
  RandomStream,
  resolveConfiguration,
  saveCheckpointDirectory,
  tokenGrid,
} from '../src/model.ts'

const batch = 2
const base = {
  imageSize: 48,
  frames: 4,
  encoder: { width: 64, depth: 2, heads: 4 },
  decoder: { width: 32, depth: 2, heads: 2 },
} as const

const models: readonly (readonly [name: string, kind: ModelKind, configuration: ModelConfiguration])[] = [
  ['saved-pretrain', 'pretrain', resolveConfiguration(base)],
  ['saved-classify', 'classify', resolveConfiguration(base)],
  ['saved-classify-first-token', 'classify', resolveConfiguration({ ...base, useMeanPooling: false })],
  ['saved-encoder', 'encoder', resolveConfiguration(base)],
]
const labels = ['walk', 'run', 'jump']

async function write(directory: string): Promise<void> {
  const [, , configuration] = models[0]
  const pixels = new RandomStream(1, 'clip')
  const clip = Uint8Array.from({ length: clipShape(configuration, batch).reduce((a, b) => a * b, 1) }, () =>
    pixels.integer(256),
  )
  await writeFile(join(directory, 'clip.u8'), clip)
  const masks = Array.from({ length: batch }, (_, b) => [
    ...booleanMask(createMask('tube', tokenGrid(configuration), 0.75, new RandomStream(1, b, 'mask'))),
  ])
  await writeFile(join(directory, 'mask.json'), JSON.stringify(masks))
  for (const [name, kind, model] of models) {
    const classes = kind === 'classify' ? labels.length : null
    const state = new Map<string, Float32Array>()
    for (const [parameter, shape] of parameterShapes(model, kind, classes)) {
      const stream = new RandomStream(2, name, parameter)
      const center = /norm\d?\.weight$/.test(parameter) ? 1 : 0
      state.set(
        parameter,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.normal(center, 0.1)),
      )
    }
    await saveCheckpointDirectory(join(directory, name), {
      configuration: model,
      kind,
      classes,
      labels: classes === null ? null : labels,
      state,
    })
  }
}

async function logits(directory: string): Promise<void> {
  const frames = new Uint8Array(await readFile(join(directory, 'clip.u8')))
  const bits: readonly (readonly number[])[] = JSON.parse(await readFile(join(directory, 'mask.json'), 'utf8'))
  const masks = bits.map((mask) => splitMask(Uint8Array.from(mask)))
  const visible = Int32Array.from(masks.flatMap((mask) => [...mask.visible]))
  const masked = Int32Array.from(masks.flatMap((mask) => [...mask.masked]))
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const path = join(directory, entry.name)
    for (const norms of ['transformers', 'original'] as const) {
      const loaded = await loadCheckpointDirectory(path, { norms })
      if (loaded.unexpected.length > 0) throw new Error(`unexpected in ${path}: ${loaded.unexpected.join(', ')}`)
      const { program, output, inputs } = programOf(loaded, visible, masked)
      const session = await referenceEngine.open([program])
      await session.writeState(loaded.state)
      const outputs = await session.run(program.name, { frames, ...inputs })
      await session.close()
      await writeFile(join(path, `ours-${norms}.f32`), outputs[output])
    }
  }
}

function programOf({ kind, configuration, classes }: LoadedCheckpoint, visible: Int32Array, masked: Int32Array) {
  const one = (program: Program, output: string, inputs: Record<string, Int32Array> = {}) => ({
    program,
    output,
    inputs,
  })
  if (kind === 'encoder') return one(buildEncodeProgram({ configuration, batch }), 'tokens')
  if (kind === 'classify') {
    return one(buildClassifyProgram({ configuration, batch, classes: classes ?? 1 }), 'logits')
  }
  const counts = { visible: visible.length / batch, masked: masked.length / batch }
  const { programs } = buildPretrainProgram({ configuration, batch, ...counts, prediction: true })
  return one(programs[0], 'prediction', { visible, masked })
}

const [mode, directory] = process.argv.slice(2)
if (mode === 'write') await write(directory)
else if (mode === 'logits') await logits(directory)
else throw new Error('usage: tsx scripts/check-transformers.ts write|logits DIR')
