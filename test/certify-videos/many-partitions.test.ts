/** Far more partitions than videos: a certificate of next to nothing, which says so. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import type { VideoCertificate } from '../../src/certify/videos/video-certificate.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000 })

const folder = folderForTests('videomae-many-partitions-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

test('500 partitions of 12 videos: warned of on stderr, next to the table and in the certificate', async () => {
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('videos'), { clips: 12, size: 16, frames: 4, seed: 4, classes })
  const { code, stdout, stderr } = await videomae(
    ...['certify', inFolder('videos'), '--from', 'pixels', '--partitions', '500', '--rule', 'dpa'],
    ...['--threads', '1', '--workers', '1', '--out', inFolder('out')],
  )
  expect(code, stderr).toBe(0)
  const certificate = JSON.parse(readFileSync(inFolder('out', 'certificate.json'), 'utf8')) as VideoCertificate
  const { trainingVideos, runs } = certificate
  const [run] = runs
  // At most one learner for each video has anything to say.
  expect(trainingVideos).toBeLessThan(12)
  const { sizes } = JSON.parse(readFileSync(inFolder('out', 'buckets-500.json'), 'utf8')) as { sizes: number[] }
  const empty = sizes.filter((size) => size === 0).length
  const warnings = [
    `K = 500 partitions of ${trainingVideos} units (what one poisoned sample is): at least ${500 - trainingVideos} partitions have no training sample`,
    `${empty} of 500 base classifiers have no training sample and vote for nobody: take fewer partitions`,
  ]
  expect(empty).toBeGreaterThanOrEqual(500 - trainingVideos)
  expect(run.warnings).toEqual(expect.arrayContaining(warnings))
  expect(stderr).toContain(`warning: ${warnings[0]}\n`)
  expect(stderr).toContain(`warning: K = 500: ${warnings[1]}\n`)
  for (const warning of warnings) expect(stdout).toContain(`warning: DPA K=500: ${warning}\n`)
  // No radius is larger than the learners that vote allow.
  const inputs = run.inputs ?? []
  expect(inputs).toHaveLength(12 - trainingVideos)
  for (const { abstentions, radius } of inputs) {
    expect(abstentions).toBe(empty)
    expect(radius).toBeLessThanOrEqual((500 - empty) / 2)
  }
})
