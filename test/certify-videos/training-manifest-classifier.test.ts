/**
 * What is known of the videos a classifier was trained on, whose labels it has seen, and of data that a user names.
 * Oracle: which files took part is known here.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCertificationPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { manifestOfData, trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { splitNames } from '../../src/dataset/split-part.ts'
import { exportClassifierDirectory } from '../../src/export/classifier.ts'
import { trainingUse } from '../../src/train/training-use.ts'
import { withoutChecksums } from '../support/without-checksums.ts'
import { digestOf, finetuneOn, known, manifestFolder, pretrainOn, seedFor, videosIn } from './manifest-runs.ts'

const { inFolder: location, dataset, options, listOf, fill, remove } = manifestFolder()
beforeAll(fill)
afterAll(remove)

describe('a classifier', () => {
  test.each(['full', 'ridge'] as const)(
    '(%s) without a manifest is taken to have seen the labels of the protected set',
    async (mode) => {
      const files = await dataset(`bare-${mode}`, 25)
      const list = listOf(`bare-${mode}.csv`, files)
      await finetuneOn(list, location(`bare-run-${mode}`), 'scratch', mode)
      const bare = location(`bare-classifier-${mode}`)
      cpSync(location(`bare-run-${mode}`, 'best'), bare, { recursive: true })
      rmSync(path.join(bare, 'training-manifest.json'))
      const refuse = async (from: string) => {
        const plan = await planCertification(options(from, list))
        expect(plan.encoder.labelsUsed).toBe(true)
        for (const threat of ['label_flip', 'general'] as const)
          expect(() => checkCertificationPlan(plan, 'content', ['dpa'], threat)).toThrow(/labels of the protected set/)
      }
      await refuse(bare)
      // Who says where the weights come from does not say that they have seen no labels.
      const public_ = await planCertification(options(bare, list, { trust: 'public' }))
      expect(public_.encoder.labelsUsed).toBe(true)
      // An encoder that transformers took out of a classifier keeps the names of its classes.
      const config = JSON.parse(readFileSync(path.join(bare, 'config.json'), 'utf8'))
      const stripped = location(`bare-encoder-${mode}`)
      cpSync(location('run', 'step-00000004'), stripped, { recursive: true })
      withoutChecksums(stripped)
      for (const file of ['training-manifest.json', 'trainer-state.json']) rmSync(path.join(stripped, file))
      const plain = await planCertification(options(stripped, list))
      expect(plain.encoder).toMatchObject({ trust: 'public', labelsUsed: false })
      const own = JSON.parse(readFileSync(path.join(stripped, 'config.json'), 'utf8'))
      writeFileSync(path.join(stripped, 'config.json'), JSON.stringify({ ...own, id2label: config.id2label }))
      await refuse(stripped)
    },
  )

  test.each(['full', 'ridge'] as const)(
    '(%s) of other videos, whose pretraining alone saw the protected ones, allows a claim about labels only',
    async (mode) => {
      const files = await dataset(`seen-${mode}`, 27)
      const others = await dataset(`tuned-${mode}`, 28)
      const list = listOf(`seen-${mode}.csv`, files)
      await pretrainOn(location(`seen-${mode}`), location(`seen-run-${mode}`))
      const start = location(`seen-run-${mode}`)
      await finetuneOn(listOf(`apart-${mode}.csv`, others), location(`apart-${mode}`), start, mode)
      const plan = await planCertification(options(location(`apart-${mode}`), list))
      expect(plan.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: false })
      checkCertificationPlan(plan, 'content', ['dpa'], 'label_flip')
      expect(() => checkCertificationPlan(plan, 'content', ['dpa'], 'general')).toThrow(
        /inserted or deleted video may change/,
      )
      // One protected video among those with labels, whatever part it had: its label helped to draw the split.
      const [seen] = files
      for (const part of mode === 'full' ? (['train'] as const) : splitNames) {
        const run = location(`mixed-${mode}-${part}`)
        const mixed = listOf(`mixed-${mode}-${part}.csv`, [...others, seen])
        await finetuneOn(mixed, run, start, mode, await seedFor(part, seen, mixed))
        const rows = readFileSync(path.join(run, 'split.csv'), 'utf8').split('\n')
        expect(rows.find((row) => row.startsWith(seen))).toMatch(new RegExp(`,${part}$`))
        const { encoder } = await planCertification(options(run, list))
        expect(encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
      }
      // A manifest of an earlier version does not say whose labels were read: they may be those of any of its videos.
      const folder = location(`apart-${mode}`, 'best')
      const manifest = JSON.parse(readFileSync(path.join(folder, 'training-manifest.json'), 'utf8'))
      expect(new Set(manifest.labelsRead)).toEqual(new Set(others.map(digestOf)))
      delete manifest.labelsRead
      delete manifest.digest
      writeFileSync(path.join(folder, 'training-manifest.json'), JSON.stringify(manifest))
      const earlier = await planCertification(options(folder, list))
      expect(earlier.encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
    },
  )

  test.each(['full', 'ridge'] as const)('(%s) keeps its manifest when it is exported', async (mode) => {
    const files = await dataset(`exported-${mode}`, 26)
    const run = location(`exported-run-${mode}`)
    await finetuneOn(listOf(`exported-${mode}.csv`, files), run, 'scratch', mode)
    const directory = location(`exported-classifier-${mode}`)
    for (const time of ['first', 'second']) {
      await exportClassifierDirectory(path.join(run, 'best'), directory)
      expect(await known(directory), time).toEqual(await known(path.join(run, 'best')))
    }
    expect(await trainingUse(directory)).toEqual(await trainingUse(path.join(run, 'best')))
    expect((await known(directory)).samples).toEqual(new Set(files.map(digestOf)))
    // What is written is about the weights that are written.
    cpSync(path.join(location('run'), 'step-00000004', 'model.safetensors'), path.join(directory, 'model.safetensors'))
    await expect(trainingManifestOf(directory)).rejects.toMatchObject({ code: 'TRAINING_MANIFEST_FOREIGN' })
  })
})

describe('data that a user names', () => {
  test('has to be readable', async () => {
    const [file] = videosIn(location('elsewhere'))
    const refused = { code: 'TRAINED_ON_UNREADABLE', exit: 'data', hint: expect.any(String) }
    await expect(manifestOfData(listOf('lost.csv', [file, location('nowhere.mp4')]))).rejects.toMatchObject(refused)
    const earlier = { schema: 'videomae.training-manifest/1', list: null, labeled: false }
    for (const [content, valid] of [
      [{ ...earlier, samples: [['a', digestOf(file)]] }, true],
      [
        {
          ...earlier,
          samples: [
            ['a', digestOf(file)],
            ['b', null],
          ],
        },
        false,
      ],
      [{ schema: 'another' }, false],
    ] as const) {
      writeFileSync(location('named.json'), JSON.stringify(content))
      const outcome = manifestOfData(location('named.json'))
      if (valid) expect([...(await outcome).samples]).toEqual([digestOf(file)])
      else await expect(outcome).rejects.toMatchObject(refused)
    }
  })
})
