/** What runs and certificates leave and read again: histories, locks, stores of learners, lists of classes. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { weightsLength } from '../../src/certify/ensemble/heads/head.ts'
import { digestOfLearner, type TrainJob } from '../../src/certify/ensemble/heads/job.ts'
import { lineOf, restoreShard } from '../../src/certify/ensemble/heads/store.ts'
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import { declaredClasses } from '../../src/certify/videos/class-list.ts'
import { LearnerFiles, digestOfLearner as learnerDigest } from '../../src/certify/videos/learners/learner-files.ts'
import { manifestOfData } from '../../src/certify/videos/training-manifest.ts'
import { KeptCertificates } from '../../src/certify/votes/kept-certificates.ts'
import { VideoMaeError } from '../../src/core/errors.ts'
import { readHistory } from '../../src/train/history.ts'
import { thisProcess } from '../../src/train/process-identity.ts'
import { lockRun } from '../../src/train/run-lock.ts'
import { FrameRecords, sizeFromFrameList } from '../../src/video/ffmpeg/frame-records.ts'
import { readStreamLog } from '../../src/video/ffmpeg/stream-log.ts'
import { type Format, mutateDocument, mutateLines, mutateSafetensors, mutateTextBytes, single } from './format.ts'
import { mutateBytes, pick } from './mutations.ts'

const write = (text: string) => (place: string) => writeFileSync(place, text)

/** What is not whole is made anew by its reader, without an error. */
const noticed = (what: string): VideoMaeError =>
  new VideoMaeError(`Noticed: ${what}.`, { code: 'NOTICED', exit: 'data' })

const metrics = [1, 2, 3]
  .map((step) => JSON.stringify({ step, epoch: 0, loss: 1 / step, learningRate: 1e-3 }))
  .join('\n')

/** Two learners of two classes on features of one number. */
const job: TrainJob = {
  ...{ kind: 'train', classes: 2, classNames: ['a', 'b'], width: 1, learners: 2, offsets: [0] },
  head: { kind: 'nearest_mean' } as unknown as TrainJob['head'],
  knows: new Uint8Array(4).fill(1),
  features: Float32Array.of(1, 2),
  labels: Int32Array.of(0, 1),
  order: Int32Array.of(0, 1),
  starts: Int32Array.of(0, 1, 2),
  weights: new Float32Array(2 * weightsLength(2, 1)),
}

function shard(): Format {
  const samples = new Map<string, Uint8Array>()
  const weights = new Float32Array(weightsLength(2, 1)).fill(0.5)
  return {
    name: 'shard of learners',
    async prepare(folder) {
      const records = [0, 1].map((learner) => {
        const record = { learner, samples: 1, sha256: '' }
        return { ...record, sha256: digestOfLearner(job, record, weights) }
      })
      samples.set('s.jsonl', Buffer.from(records.map(lineOf).join('')))
      samples.set('s.f32', Buffer.concat([weights, weights].map((values) => Buffer.from(values.buffer))))
      for (const [name, bytes] of samples) writeFileSync(path.join(folder, name), bytes)
    },
    change(folder, random) {
      const changed = pick(random, ['s.jsonl', 's.jsonl', 's.f32'])
      for (const [name, bytes] of samples) {
        const mutate = name === 's.f32' ? mutateBytes : mutateLines
        writeFileSync(path.join(folder, name), name === changed ? mutate(random, bytes) : bytes)
      }
    },
    async read(folder) {
      job.weights.fill(0)
      const { records } = await restoreShard(path.join(folder, 's'), job)
      if (records.length < 2) throw noticed('fewer learners are whole')
      for (const { learner } of records) {
        const read = job.weights.subarray(learner * weights.length, (learner + 1) * weights.length)
        if (read.some((value) => value !== 0.5)) throw new Error(`weights of learner ${learner} changed without a word`)
      }
    },
  }
}

const ballots = emptyBallots(2, 3, 2, 1)

const messages = `Input #0, mov,mp4, from 'fd:':
  Duration: 00:00:01.00, start: 0.0
  Stream #0:0(und): Video: h264 (High), yuv420p, 32x32, 10 fps
  Stream #0:0 -> #0:0 (h264)
frame:0 pts:0 pts_time:0
videomae=1
#dimensions 0: 32x32
`
/** Lines of the messages that are no records of frames. */
const strangeLines = 5

export const runFormats: readonly Format[] = [
  single('metrics', 'metrics.jsonl', write(`${metrics}\n`), mutateLines, readHistory),
  single('classes as text', 'classes.txt', write('run\nwalk\njump\n'), mutateTextBytes, (place) =>
    declaredClasses([place]),
  ),
  single(
    'classes of a classifier',
    'classes/config.json',
    write(JSON.stringify({ id2label: { 0: 'run', 1: 'walk', 2: 'jump' } })),
    mutateDocument,
    (place) => declaredClasses([place]),
  ),
  single(
    'training manifest as data',
    'trained-on.json',
    write(JSON.stringify({ schema: 'videomae.training-manifest/1', labeled: false, samples: [['a', '0'.repeat(64)]] })),
    mutateDocument,
    (place) => manifestOfData(place),
  ),
  single(
    'lock',
    'lock/run-1.lock',
    // Of a process that has ended.
    write(JSON.stringify({ ...thisProcess(), pid: 2 ** 30, started: null, since: '2026-01-01T00:00:00Z' })),
    mutateDocument,
    async (place) => {
      const whole = readFileSync(place)
      await (await lockRun(path.dirname(place))).release()
      writeFileSync(place, whole)
    },
  ),
  shard(),
  single(
    'learner',
    'learners/learner-00000-of-00001.safetensors',
    async (place) => {
      const files = await LearnerFiles.open(path.dirname(place), 'plan', 1, 'd')
      const states = [new Map([['w', Float32Array.of(1, 2)]])]
      const sha256 = learnerDigest({ description: 'd', samples: 3, classNames: ['a', 'b'] }, states)
      await files.write({ record: { learner: 0, samples: 3, sha256 }, classNames: ['a', 'b'], states })
    },
    mutateSafetensors,
    async (place) => {
      const files = await LearnerFiles.open(path.dirname(place), 'plan', 1, 'd')
      const found = await files.read(0)
      if (found === null) throw noticed('the learner is not whole')
      if (found.states[0].get('w')?.join() !== '1,2') throw new Error('a learner changed without a word')
    },
  ),
  single(
    'kept certificates',
    'kept.jsonl',
    async (place) => {
      const kept = await KeptCertificates.open(place, ballots, { rule: 'dpa' })
      kept.add({ prediction: 1, radius: 0 } as Parameters<typeof kept.add>[0])
      await kept.flush()
    },
    mutateLines,
    async (place) => {
      const { known } = await KeptCertificates.open(place, ballots, { rule: 'dpa' })
      if (known.length < 1) throw noticed('the certificate is not whole')
    },
  ),
  single('messages of ffmpeg', 'ffmpeg.log', write(messages), mutateTextBytes, (place) => {
    const text = readFileSync(place)
    const records = new FrameRecords()
    records.take(text)
    if (records.strangeLines > strangeLines) throw noticed('there are more lines that are no records')
    return [readStreamLog(text.toString()), sizeFromFrameList(text.toString()), records.stamps]
  }),
]
