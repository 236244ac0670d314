/** What a certificate says of what was read: trusted videos that cannot be used, digests of lists and of classes. */
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import type { VideoCertificate } from '../../src/certify/videos/video-certificate.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-trusted-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const digestOf = (name: string) =>
  createHash('sha256')
    .update(readFileSync(inFolder(name)))
    .digest('hex')
const certified = (trusted: string, out: string) =>
  videomae(
    ...['certify', inFolder('videos'), '--from', 'pixels', '--partitions', '2', '--trusted', trusted],
    ...['--out', out, '--cache', inFolder('store'), '--threads', '1', '--workers', '1', '--json'],
  )

beforeAll(async () => {
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('videos'), { clips: 16, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(inFolder('trusted'), { clips: 4, size: 32, frames: 8, seed: 2, classes })
  cpSync(inFolder('trusted'), inFolder('clean'), { recursive: true })
  writeFileSync(inFolder('trusted', 'left', 'damaged.mp4'), 'no video')
  writeFileSync(
    inFolder('some.csv'),
    `path\ntrusted/left/damaged.mp4\ntrusted/left/gone.mp4\n${inFolder('clean')}/left/00000.mp4\n`,
  )
  writeFileSync(inFolder('none.csv'), 'path\ngone.mp4\ntrusted/left/damaged.mp4\n')
})

test('those that cannot be read or decoded are left out by name, and the certificate says which fixed the scale', async () => {
  const { code, stderr } = await certified(inFolder('some.csv'), inFolder('some'))
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/left out of the trusted videos: .*gone\.mp4.*\[unreadable\]/)
  expect(stderr).toMatch(/left out: .*damaged\.mp4/)
  const { data } = JSON.parse(readFileSync(path.join(inFolder('some'), 'certificate.json'), 'utf8')) as VideoCertificate
  expect(data.trusted).toMatchObject({ source: inFolder('some.csv'), videos: 1 })
  expect(data.trusted!.leftOut.map(({ id, side }) => [path.basename(id), side])).toEqual([
    ['gone.mp4', 'trusted'],
    ['damaged.mp4', 'trusted'],
  ])
  // They are no rows of the data.
  expect(data).toMatchObject({ rows: 16, leftOut: [] })
  expect(data.read).toMatchObject([
    { source: inFolder('videos'), kind: 'folder', sha256: null },
    {
      source: inFolder('some.csv'),
      kind: 'list',
      sha256: digestOf('some.csv'),
      columns: [{ role: 'path', name: 'path' }],
    },
  ])
})

test('a certificate says by digests which list and which file of classes it is about, and how the header was read', async () => {
  const rows = readdirSync(inFolder('videos'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mp4'))
    .sort()
    .map((name, i) => `videos/${name},${path.dirname(name)},${i % 4 === 0 ? 'test' : 'train'},note ${i}`)
  writeFileSync(inFolder('videos.csv'), `path,label,split,remark\n${rows.join('\n')}\n`)
  writeFileSync(inFolder('classes.txt'), 'left\nright\n')
  const { code, stderr } = await videomae(
    ...[
      'certify',
      inFolder('videos.csv'),
      '--from',
      'pixels',
      '--partitions',
      '2',
      '--classes',
      inFolder('classes.txt'),
    ],
    ...['--out', inFolder('listed'), '--cache', inFolder('store'), '--threads', '1', '--workers', '1', '--json'],
  )
  expect(code, stderr).toBe(0)
  const { data } = JSON.parse(
    readFileSync(path.join(inFolder('listed'), 'certificate.json'), 'utf8'),
  ) as VideoCertificate
  expect(data).toMatchObject({
    ...{ trusted: null, classesFrom: inFolder('classes.txt'), classesDigest: digestOf('classes.txt') },
    read: [
      {
        ...{ source: inFolder('videos.csv'), kind: 'list', sha256: digestOf('videos.csv'), encoding: 'UTF-8' },
        columns: [
          { role: 'path', name: 'path' },
          { role: 'label', name: 'label' },
          { role: 'split', name: 'split' },
        ],
        unused: [{ name: 'remark' }],
      },
    ],
  })
})

test('where none can be read there is no scale, and no certificate', async () => {
  const { code, stdout } = await certified(inFolder('none.csv'), inFolder('nothing'))
  expect([code, (JSON.parse(stdout) as { error: { code: string } }).error.code]).toEqual([3, 'FEATURES_NONE'])
})
