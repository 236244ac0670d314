/** The second half of the demo: a certified ensemble on the pretrained encoder, next to the same on fresh weights. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { certifyVideos } from '../certify/videos/certify-videos.ts'
import { generateMotionDataset } from '../synthetic/generate.ts'
import { demoClips } from './clips.ts'

/** An ensemble of ridge heads on one encoder. Shares are of the tested clips, from 0 to 1. */
export interface DemoEnsemble {
  /** Folder of the certificate. */
  readonly folder: string
  /** Mean accuracy of one base classifier. */
  readonly single: number
  /** Accuracy of the vote. */
  readonly accuracy: number
  /** [r] share whose right answer is certified against r inserted or removed training clips. */
  readonly certified: readonly number[]
  readonly meanRadius: number
}

export interface DemoCertificates {
  /** List of the labeled clips, with their split. */
  readonly list: string
  readonly train: number
  readonly test: number
  /** Base classifiers, each trained on another part of the training clips. */
  readonly partitions: number
  readonly classes: number
  readonly pretrained: DemoEnsemble
  readonly fresh: DemoEnsemble
}

interface CertifyDemoOptions {
  readonly out: string
  readonly run: string
  readonly train: number
  readonly test: number
  readonly engine?: string
  readonly threads?: number
  readonly signal?: AbortSignal
}

/** Training clips of one base classifier. */
const clipsOfPart = 24

/** Generates labeled clips that the encoder has not seen, certifies on it, and on fresh weights of the same sizes. */
export async function certifyDemo({ out, run, train, test, engine, threads, signal }: CertifyDemoOptions) {
  const folder = path.join(out, 'labeled')
  const clips = { ...demoClips, clips: train + test, seed: 2, signal }
  const { files, labels } = await generateMotionDataset(folder, clips)
  const list = path.join(folder, 'split.csv')
  const rows = files.map((file, k) => `${path.relative(folder, file)},${labels[k]},${k < train ? 'train' : 'test'}`)
  await writeFile(list, `path,label,split\n${rows.join('\n')}\n`)
  const partitions = Math.max(3, Math.floor(train / clipsOfPart))
  const certify = async (from: string, name: string): Promise<DemoEnsemble> => {
    const certificateFolder = path.join(out, name)
    const { certificate } = await certifyVideos({
      ...{ data: list, from, partitions: [partitions], rules: ['dpa'], readout: 'motion', learner: { kind: 'ridge' } },
      ...{ out: certificateFolder, engine: engine ?? null, threads, signal },
    })
    const [{ baseAccuracy, summary }] = certificate.runs
    return {
      folder: certificateFolder,
      single: baseAccuracy,
      accuracy: summary.cleanAccuracy,
      certified: summary.certifiedAccuracy,
      meanRadius: summary.averageCertifiedRadius,
    }
  }
  const pretrained = await certify(run, 'certified')
  const fresh = await certify(`untrained:${run}`, 'certified-fresh')
  return { list, train, test, partitions, classes: demoClips.classes.length, pretrained, fresh }
}
