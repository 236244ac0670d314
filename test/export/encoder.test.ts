/** Exports of tiny models: what they are called, and that a file takes its place only after its check. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { exportEncoder } from '../../src/export/encoder.ts'
import { modelName } from '../../src/export/model-name.ts'
import type { OnnxSidecar } from '../../src/export/sidecar.ts'
import { sidecarClip } from '../../src/export/sidecar-clip.ts'
import { readModel } from '../../src/format/onnx.ts'
import { classifierShapes, openClassifier, saveClassifier } from '../../src/inference/classifier.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { withoutChecksums } from '../support/without-checksums.ts'

const configuration = {
  ...resolveConfiguration({ imageSize: 8, frames: 4, patch: 4, encoder: { width: 12, depth: 1, heads: 2 } }),
  useMeanPooling: true,
}
const labels = ['left', 'right']
const head = { kind: 'linear' } as const
const clips = Uint8Array.from({ length: 4 * 8 * 8 * 3 }, (_, i) => (i * 37) % 256)

let folder: string
const at = (...names: string[]): string => path.join(folder, ...names)
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-export-'))
  const encoder = initialize(parameterShapes(configuration, 'encoder'), 1, 'pretrain')
  for (const location of [at('models', 'tiny'), at('runs', 'first', 'step-00000010', 'ema')]) {
    await saveCheckpointDirectory(location, { configuration, kind: 'encoder', state: encoder })
  }
  const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(at('runs', 'second', 'best'), { configuration, head, state, labels, sampling })
  await writeFile(at('runs', 'second', 'split.csv'), '')
})
afterAll(() => rm(folder, { recursive: true }))

const kinds = {
  encoder: (out: string, tolerance?: number) =>
    exportEncoder(at('models', 'tiny'), { out, clips, tolerance, compareWith: 'reference' }),
  classifier: (out: string, tolerance?: number) =>
    exportClassifier(at('runs', 'second'), { out, clips, tolerance, compareWith: 'reference' }),
}

describe.each(Object.entries(kinds))('an exported %s', (kind, exported) => {
  test('takes its place when its check has passed, and not before', async () => {
    await mkdir(at(kind))
    const out = at(kind, 'model.onnx')
    const earlier = Buffer.from([0x08, 0x08, 0x3a, 0x00]) // a format version and an empty graph
    await writeFile(out, earlier)
    // Nothing is as near as that: the check fails.
    await expect(exported(out, -1)).rejects.toMatchObject({ code: 'EXPORT_MISMATCH', exit: 'checkFailed' })
    expect(await readFile(out)).toEqual(earlier)
    expect(await readdir(at(kind))).toEqual(['model.onnx'])

    const { files, bytes } = await exported(out)
    expect(files).toEqual([out, at(kind, 'model.json')])
    expect((await readdir(at(kind))).sort()).toEqual(['model.json', 'model.onnx'])
    expect((await readFile(out)).length).toBe(bytes)
    expect((await readModel(out)).metadata?.['videomae.model']).toBe(kind === 'encoder' ? 'tiny' : 'second')
  })
})

describe('the description next to an exported file', () => {
  const ensemble = (out: string) => exportEnsemble(at('nowhere'), { out })
  test.each(Object.entries({ ...kinds, ensemble }))(
    'of %s replaces nothing of other origin',
    async (kind, exported) => {
      await mkdir(at('foreign', kind), { recursive: true })
      const own = at('foreign', kind, 'model.json')
      const taken = { code: 'OUTPUT_TAKEN', exit: 'usage', message: expect.stringContaining(own) }
      await writeFile(own, '{"weights": [1, 2]}')
      await expect(exported(at('foreign', kind, 'model.onnx'))).rejects.toMatchObject(taken)
      expect(await readFile(own, 'utf8')).toBe('{"weights": [1, 2]}')
      expect(await readdir(at('foreign', kind))).toEqual(['model.json'])
      await rm(own)
      await mkdir(own)
      await expect(exported(at('foreign', kind, 'model.onnx'))).rejects.toMatchObject(taken)
    },
  )

  test('replaces an earlier one, and is next to the file that a link names', async () => {
    await mkdir(at('again', 'real'), { recursive: true })
    await symlink(path.join('real', 'target.ONNX'), at('again', 'link.onnx'))
    const first = await kinds.encoder(at('again', 'link.onnx'))
    expect((await readdir(at('again', 'real'))).sort()).toEqual(['target.ONNX', 'target.json'])
    const read = async () => JSON.parse(await readFile(at('again', 'real', 'target.json'), 'utf8')) as OnnxSidecar
    expect(await read()).toEqual(first.sidecar)
    const second = await kinds.classifier(at('again', 'link.onnx'))
    expect(await read()).toEqual(second.sidecar)
    expect(second.sidecar.task).toBe('classify')
    expect(second.bytes).toBe((await readFile(at('again', 'real', 'target.ONNX'))).length)
  })

  test('is refused where readers of a checkpoint would take it for their own', async () => {
    const best = at('runs', 'second', 'best')
    for (const name of ['classifier', 'clip', 'config', 'training-manifest'])
      await expect(kinds.classifier(path.join(best, `${name}.onnx`))).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
    await kinds.classifier(path.join(best, 'other.onnx'))
    expect((await openClassifier(best)).labels).toEqual(labels)
    await rm(path.join(best, 'other.onnx'))
    await rm(path.join(best, 'other.json'))
  })

  test('has every field that docs/onnx.md explains, and no other', async () => {
    const page = await readFile(path.join(import.meta.dirname, '../../docs/onnx.md'), 'utf8')
    const explained = new Set([...page.matchAll(/^\| `([\w.[\]]+)` \|/gm)].map(([, field]) => field))
    const fields = new Set<string>()
    const note = (value: unknown, field: string): void => {
      if (field !== '') fields.add(field)
      if (Array.isArray(value)) for (const one of value) if (typeof one === 'object') note(one, `${field}[]`)
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return
      for (const [name, inner] of Object.entries(value)) note(inner, field === '' ? name : `${field}.${name}`)
    }
    for (const exported of Object.values(kinds)) note((await exported(at('fields.onnx'))).sidecar, '')
    const resized = [{ shortEdge: 9 }, { height: 9, width: 9 }].map((resize) =>
      sidecarClip({ ...configuration, size: { height: 8, width: 8, resize }, sampling: null, input: 'uint8' }),
    )
    for (const clip of resized) note(clip, 'clip')
    for (const item of [...fields]) if (item.endsWith('[]')) fields.delete(item)
    const documented = [...explained].filter((field) => !field.startsWith('ensemble.'))
    expect(documented.sort()).toEqual([...fields].sort())
  })
})

test('is not written when the export is stopped', async () => {
  await mkdir(at('stopped'))
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  const options = { clips, compareWith: 'reference', signal: stop.signal }
  await expect(exportEncoder(at('models', 'tiny'), { ...options, out: at('stopped', 'a.onnx') })).rejects.toThrow(
    'enough',
  )
  await expect(exportClassifier(at('runs', 'second'), { ...options, out: at('stopped', 'b.onnx') })).rejects.toThrow(
    'enough',
  )
  expect(await readdir(at('stopped'))).toEqual([])
})

test('says how clips are cut, where anything does', async () => {
  const metadataOf = async (from: string) =>
    (await exportEncoder(from, { out: at('cut.onnx'), clips, compareWith: 'reference' })).metadata
  const cut = ({
    'videomae.stride': stride,
    'videomae.fps': fps,
    'videomae.sampling': sampling,
  }: Record<string, string>) => [stride, fps, sampling]
  expect(cut(await metadataOf(at('models', 'tiny')))).toEqual([undefined, undefined, undefined])
  // A fine-tuned model says it in clip.json.
  const location = at('runs', 'second', 'best')
  const written = await readFile(at('runs', 'second', 'best', 'clip.json'), 'utf8')
  expect(cut(await metadataOf(location))).toEqual(['1', undefined, '{"kind":"dense","stride":1,"fps":null}'])
  withoutChecksums(location)
  await writeFile(path.join(location, 'clip.json'), '{"kind":"dense","stride":1,"fps":8}')
  expect(cut(await metadataOf(location))).toEqual(['1', '8', '{"kind":"dense","stride":1,"fps":8}'])
  await writeFile(path.join(location, 'clip.json'), '{"kind":"segments","stride":1,"fps":null}')
  expect(cut(await metadataOf(location))).toEqual([undefined, undefined, '{"kind":"segments","stride":1,"fps":null}'])
  await writeFile(path.join(location, 'clip.json'), written)
})

describe('the name of a model', () => {
  test.each([
    [['models', 'videomae-base'], 'videomae-base'],
    [['models', 'videomae-base', 'model.safetensors'], 'videomae-base'],
    [['models', 'videomae-base', 'model-00001-of-00002.safetensors'], 'videomae-base'],
    [['downloads', 'vit_b_k710.safetensors'], 'vit_b_k710'],
    [['runs', 'first', 'step-00000010'], 'first'],
    [['runs', 'first', 'step-00000010', 'model.safetensors'], 'first'],
    [['runs', 'first', 'step-00000010', 'ema'], 'first'],
    [['runs', 'second', 'best'], 'second'],
    // No run: these directories are called so.
    [['models', 'best'], 'best'],
    [['models', 'ema'], 'ema'],
  ])('of %j is %s', (location, name) => {
    expect(modelName(at(...location))).toBe(name)
  })

  test('is that of the run in a file from one of its checkpoints', async () => {
    const out = at('from-average.onnx')
    const { metadata } = await exportEncoder(at('runs', 'first', 'step-00000010', 'ema'), {
      out,
      clips,
      compareWith: 'reference',
    })
    expect(metadata['videomae.model']).toBe('first')
    expect(existsSync(out)).toBe(true)
  })
})
