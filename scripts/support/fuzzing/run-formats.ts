/** What runs and certificates leave and read again: histories, locks, stores of learners, lists of classes. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { digestOfLearner } from '../../../src/certify/ensemble/digest.ts'
import { folderStore } from '../../../src/certify/ensemble/store.ts'
import { emptyBallots } from '../../../src/certify/rules/ballot.ts'
import { declaredClasses } from '../../../src/certify/videos/class-list.ts'
import { KeptCertificates, manifestOfData } from '../../../src/certify.ts'
import { readHistory } from '../../../src/train/history.ts'
import { thisProcess } from '../../../src/train/process-identity.ts'
import { lockRun } from '../../../src/train/run-lock.ts'
import { FrameRecords, sizeFromFrameList } from '../../../src/video/ffmpeg/frame-records.ts'
import { readStreamLog } from '../../../src/video/ffmpeg/stream-log.ts'
import {
  type Format,
  mutateDocument,
  mutateLines,
  mutateSafetensors,
  mutateTextBytes,
  noticed,
  single,
} from './format.ts'

const write = (text: string) => (location: string) => writeFileSync(location, text)

const metrics = [1, 2, 3]
  .map((step) => JSON.stringify({ step, epoch: 0, loss: 1 / step, learningRate: 1e-3 }))
  .join('\n')

/** A store of two learners, whose digest is of their weights. */
const learnersIn = (folder: string) =>
  folderStore(folder, 'plan', (learner, states) =>
    digestOfLearner(
      { description: 'd', samples: learner, classNames: ['a', 'b'] },
      states.map((state) => state.get('w')?.join() ?? ''),
    ),
  )
const learnersFile = 'learners-00000-00001.safetensors'

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
  single('classes as text', 'classes.txt', write('run\nwalk\njump\n'), mutateTextBytes, (location) =>
    declaredClasses([location]),
  ),
  single(
    'classes of a classifier',
    'classes/config.json',
    write(JSON.stringify({ id2label: { 0: 'run', 1: 'walk', 2: 'jump' } })),
    mutateDocument,
    (location) => declaredClasses([location]),
  ),
  single(
    'training manifest as data',
    'trained-on.json',
    write(JSON.stringify({ schema: 'videomae.training-manifest/1', labeled: false, samples: [['a', '0'.repeat(64)]] })),
    mutateDocument,
    (location) => manifestOfData(location),
  ),
  single(
    'lock',
    'lock/run-1.lock',
    // Of a process that has ended.
    write(JSON.stringify({ ...thisProcess(), pid: 2 ** 30, started: null, since: '2026-01-01T00:00:00Z' })),
    mutateDocument,
    async (location) => {
      const whole = readFileSync(location)
      await (await lockRun(path.dirname(location))).release()
      writeFileSync(location, whole)
    },
  ),
  single(
    'learners',
    path.join('learners', learnersFile),
    async (location) => {
      const store = await learnersIn(path.dirname(location))
      const trained = [0, 1].map((learner) => {
        const states = [new Map([['w', Float32Array.of(1, 2 + learner)]])]
        const samples = learner
        const of = { description: 'd', samples, classNames: ['a', 'b'] }
        const sha256 = digestOfLearner(
          of,
          states.map((state) => state.get('w')?.join() ?? ''),
        )
        return { record: { learner, samples, sha256 }, states }
      })
      await store.write([0, 2], trained)
    },
    mutateSafetensors,
    async (location) => {
      const store = await learnersIn(path.dirname(location))
      let whole = 0
      await store.read([0, 2], ({ record: { learner }, states }) => {
        whole++
        if (states[0].get('w')?.join() !== `1,${2 + learner}`) throw new Error('a learner changed without a word')
      })
      if (whole < 2) throw noticed('a learner is not whole')
    },
  ),
  single(
    'kept certificates',
    'kept.jsonl',
    async (location) => {
      const kept = await KeptCertificates.open(location, ballots, { rule: 'dpa' })
      kept.add({ prediction: 1, radius: 0 } as Parameters<typeof kept.add>[0])
      await kept.flush()
    },
    mutateLines,
    async (location) => {
      const { known } = await KeptCertificates.open(location, ballots, { rule: 'dpa' })
      if (known.length < 1) throw noticed('the certificate is not whole')
    },
  ),
  single('messages of ffmpeg', 'ffmpeg.log', write(messages), mutateTextBytes, (location) => {
    const text = readFileSync(location)
    const records = new FrameRecords()
    records.take(text)
    if (records.strangeLines > strangeLines) throw noticed('there are more lines that are no records')
    return [readStreamLog(text.toString()), sizeFromFrameList(text.toString()), records.stamps]
  }),
]
