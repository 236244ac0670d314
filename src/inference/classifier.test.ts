import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { withoutChecksums } from '../../test/support/without-checksums.ts'
import { sumsFile } from '../format/folder-sums.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { classifierShapes, openClassifier, saveClassifier } from './classifier.ts'

const folder = folderForTests('videomae-classifier-')

const configuration = resolveConfiguration({
  imageSize: 16,
  frames: 2,
  patch: 8,
  encoder: { width: 8, depth: 1, heads: 1 },
})
const shape = { configuration, head: { kind: 'attentive', heads: 1, mlpWidth: 16 }, labels: ['a', 'b'] } as const

beforeAll(async () => {
  const state = initialize(classifierShapes(shape), 0)
  for (const name of ['clip.json', 'classifier.json']) {
    mkdirSync(path.join(folder, name))
    await saveClassifier(path.join(folder, name), {
      ...shape,
      state,
      sampling: { kind: 'dense', stride: 2, fps: null },
    })
    expect((await openClassifier(path.join(folder, name))).sampling.stride).toBe(2)
  }
})

test.each(['clip.json', 'classifier.json'])('names a %s that is damaged, and what to do about it', async (name) => {
  const file = path.join(folder, name, name)
  for (const content of ['{"kind":', '', 'null', '{}']) {
    writeFileSync(file, content)
    await expect(openClassifier(path.join(folder, name)), content).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      message: expect.stringContaining(path.join(folder, name)),
      hint: expect.stringContaining('from a copy'),
    })
  }
})

test.each(['model.safetensors', 'head.safetensors'])('a changed byte of a weight in %s is noticed', async (name) => {
  const location = path.join(folder, 'changed-weight')
  const state = initialize(classifierShapes(shape), 0)
  await saveClassifier(location, { ...shape, state, sampling: { kind: 'dense', stride: 2, fps: null } })
  const file = path.join(location, name)
  const bytes = readFileSync(file)
  bytes[bytes.length - 4] ^= 1 // the last bits of a finite number
  writeFileSync(file, bytes)
  await expect(openClassifier(location)).rejects.toMatchObject({
    ...{ code: 'SAFETENSORS_INVALID', exit: 'data' },
    message: expect.stringContaining(file),
  })
})

describe('a file beside the weights', () => {
  const location = path.join(folder, 'described')
  const save = () => {
    const state = initialize(classifierShapes(shape), 0)
    return saveClassifier(location, { ...shape, state, sampling: { kind: 'dense', stride: 2, fps: null } })
  }
  const others = ['config.json', 'preprocessor_config.json', 'clip.json', 'classifier.json']

  test.each([
    ['config.json', '"num_frames": 2', '"num_frames": 4'],
    ['config.json', '"layer_norm_eps": 0.000001', '"layer_norm_eps": 0.000002'],
    ['config.json', '"head_norm_eps"', '"head_norm_epz"'],
    ['preprocessor_config.json', '0.485', '0.486'],
    ['clip.json', '"stride": 2', '"stride": 3'],
    ['classifier.json', '"a"', '"c"'],
  ])('is refused when it has changed: %s, %s', async (name, from, to) => {
    await save()
    const file = path.join(location, name)
    const text = readFileSync(file, 'utf8')
    expect(text).toContain(from)
    writeFileSync(file, text.replace(from, to))
    await expect(openClassifier(location)).rejects.toMatchObject({
      ...{ code: 'CHECKPOINT_INVALID', exit: 'data' },
      message: expect.stringContaining(`Expected ${file} as it was written, with SHA-256 `),
      hint: expect.stringContaining(`into ${sumsFile}`),
    })
    // What `sha256sum FILE` prints, by somebody who changed the file on purpose.
    const sums = path.join(location, sumsFile)
    const line = `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${name}`
    const lines = readFileSync(sums, 'utf8').split('\n')
    writeFileSync(sums, lines.map((each) => (each.endsWith(`  ${name}`) ? line : each)).join('\n'))
    await openClassifier(location)
  })

  test.each(others)('is refused when it is missing: %s', async (name) => {
    await save()
    rmSync(path.join(location, name))
    await expect(openClassifier(location)).rejects.toMatchObject({ code: expect.any(String), exit: 'data' })
  })

  test.each(others)(
    'is refused when it is missing, also together with its checksum or all of them: %s',
    async (name) => {
      await save()
      const sums = path.join(location, sumsFile)
      rmSync(path.join(location, name))
      const lines = readFileSync(sums, 'utf8').split('\n')
      writeFileSync(sums, lines.filter((line) => !line.endsWith(`  ${name}`)).join('\n'))
      await expect(openClassifier(location)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID', exit: 'data' })
      rmSync(sums)
      await expect(openClassifier(location)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID', exit: 'data' })
    },
  )

  test.each(['model.safetensors', 'head.safetensors'])('is refused with the %s of another one', async (name) => {
    await save()
    const other = path.join(folder, 'other')
    mkdirSync(other, { recursive: true })
    const sampling = { kind: 'dense', stride: 1, fps: null } as const
    await saveClassifier(other, { ...shape, state: initialize(classifierShapes(shape), 9), sampling })
    copyFileSync(path.join(other, name), path.join(location, name))
    await expect(openClassifier(location)).rejects.toMatchObject({
      ...{ code: 'CHECKPOINT_INVALID', exit: 'data' },
      message: expect.stringContaining(`Expected ${path.join(location, name)} with the tensors that were written`),
    })
  })

  test('may have any name of its folder, and is noticed with a changed checksum', async () => {
    await save()
    const moved = path.join(folder, 'moved')
    renameSync(location, moved)
    await openClassifier(moved)
    const sums = path.join(moved, sumsFile)
    const written = readFileSync(sums, 'utf8')
    const [first, ...lines] = written
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('#'))
    expect(written.match(/(?<=^[0-9a-f]{64} {2}).+$/gm)?.sort()).toEqual(others.sort())
    expect(written.match(/(?<=^# tensors of ).+(?=: )/gm)).toEqual(['model.safetensors', 'head.safetensors'])
    const damaged = [written.replace(/[0-9a-f]/, 'g'), written.replace('config', '../config'), `${written}${first}\n`]
    const without = lines.map((_, i) => `${[first, ...lines.filter((_, j) => j !== i)].join('\n')}\n`)
    for (const text of [...damaged, ...without, first, '']) {
      writeFileSync(sums, text)
      await expect(openClassifier(moved), text).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
    }
    writeFileSync(sums, written.replaceAll('\n', '\r\n'))
    await expect(openClassifier(moved)).rejects.toThrow(`in each line of ${sums}`)
  })
})

test.each([
  ['clip.json', { kind: 'dense', stride: 2, fps: null, frames: 8 }, 'frames'],
  ['classifier.json', { dropout: 0.5 }, 'dropout'],
  ['classifier.json', { head: { kind: 'attentive', heads: 1, mlpWidth: 16, depth: 2 } }, 'depth'],
])('refuses a key of %s that it does not know', async (name, change, key) => {
  const location = path.join(folder, 'unknown-key')
  mkdirSync(location, { recursive: true })
  const sampling = { kind: 'dense', stride: 2, fps: null } as const
  await saveClassifier(location, { ...shape, state: initialize(classifierShapes(shape), 0), sampling })
  const file = path.join(location, name)
  withoutChecksums(location)
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
  await expect(openClassifier(location)).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    message: expect.stringMatching(new RegExp(`${name}[^]*"${key}"`)),
  })
})

test.each([
  ['sizes beyond any model', { head: { kind: 'attentive', heads: 2 ** 31 - 1, mlpWidth: 2 ** 31 - 1 } }, 'heads'],
  ['heads that do not divide the width', { head: { kind: 'attentive', heads: 3, mlpWidth: 16 } }, 'does not divide'],
  ['one class', { labels: ['a'] }, 'labels'],
  ['two classes of one name', { labels: ['a', 'a'] }, 'names that differ'],
])('refuses a head of %s', async (_, change, message) => {
  const location = path.join(folder, 'changed')
  const state = initialize(classifierShapes(shape), 0)
  mkdirSync(location, { recursive: true })
  await saveClassifier(location, { ...shape, state, sampling: { kind: 'dense', stride: 2, fps: null } })
  const file = path.join(location, 'classifier.json')
  withoutChecksums(location)
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
  await expect(openClassifier(location)).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    message: expect.stringContaining(message),
  })
})

describe('classes', () => {
  const location = path.join(folder, 'unnamed')
  const configurationFile = path.join(location, 'config.json')
  const write = (change: object) => {
    const { id2label: _, label2id: __, ...rest } = JSON.parse(readFileSync(configurationFile, 'utf8'))
    writeFileSync(configurationFile, JSON.stringify({ ...rest, ...change }))
  }
  const labels = async () => (await openClassifier(location)).labels
  const named = (text: string | Buffer) => writeFileSync(path.join(location, 'classes.txt'), text)
  beforeAll(async () => {
    const linear = { ...shape, head: { kind: 'linear' } } as const
    const state = initialize(classifierShapes(linear), 0)
    await saveClassifier(location, { ...linear, state, sampling: { kind: 'dense', stride: 2, fps: null } })
    withoutChecksums(location)
  })

  test('without names are called by their numbers, as lists of published code do', async () => {
    expect(await labels()).toEqual(['a', 'b'])
    write({})
    expect(await labels()).toEqual(['0', '1'])
  })

  test.each([{}, { id2label: { 0: 'LABEL_0', 1: 'LABEL_1' }, label2id: { LABEL_0: 0, LABEL_1: 1 } }])(
    'are named by classes.txt where config.json has no names (%o)',
    async (change) => {
      write(change)
      named('\uFEFFwalk \r\ncafe\u0301\r\n\r\n')
      expect(await labels()).toEqual(['walk', 'caf\u00E9'])
    },
  )

  test.each([
    ['another number of names', 'walk\nrun\njump\n', '2 names, one for each output'],
    ['one name twice', 'walk\nwalk\n', '"walk" twice'],
    ['one long name twice', `${'A'.repeat(100)}\n`.repeat(2), `"${'A'.repeat(80)}..." twice`],
    ['no text', Buffer.from([0x66, 0xff, 0x0a]), 'UTF-8'],
  ])('are refused with %s in classes.txt', async (_, text, message) => {
    write({})
    named(text)
    await expect(labels()).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message),
    })
  })

  test('have one name each: another one in classes.txt than in config.json is refused', async () => {
    write({ id2label: { 0: 'walk', 1: 'run' }, label2id: { walk: 0, run: 1 } })
    named('walk\nrun\n')
    expect(await labels()).toEqual(['walk', 'run'])
    named('run\nwalk\n')
    await expect(labels()).rejects.toMatchObject({ message: expect.stringContaining('output 0: "walk"') })
  })
})
