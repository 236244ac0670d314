/** The files that a certification writes, and how large they are. */
import { npyHeader } from '../../../format/npy.ts'
import { bucketManifest } from '../../ensemble/buckets.ts'
import type { SampleSet } from '../../ensemble/feature-set.ts'
import { recordOfSet } from '../../files/sample-record.ts'
import { rankBytes } from '../../rules/ballot.ts'
import { needsRankings } from '../../rules/list.ts'
import type { PlannedEnsemble } from './ensembles.ts'

export interface ForecastFile {
  readonly file: string
  readonly bytes: number
  /** Whether the size is known; otherwise it is an estimate. */
  readonly exact: boolean
}

export interface FileSizes {
  readonly set: SampleSet
  readonly ensembles: readonly PlannedEnsemble[]
  readonly inputs: number
  readonly perInput: boolean
  readonly whiteBox: boolean
  /** Values of a row of features, for heads; null for learners that are networks. */
  readonly width: number | null
}

/** Bytes of an input in `certificate.json` for each run, and in the record of inputs. About. */
const entryBytes = { certificate: 110, record: 150 }

export function forecastFiles({ set, ensembles, inputs, perInput, whiteBox, width }: FileSizes): ForecastFile[] {
  const files: ForecastFile[] = []
  const classes = set.classNames.length
  const add = (file: string, bytes: number, exact: boolean): void => {
    files.push({ file, bytes: Math.ceil(bytes), exact })
  }
  const array = (shape: readonly number[], dtype: 'u1' | 'u2' | 'u4' | 'f4') =>
    npyHeader(shape, dtype).length + shape.reduce((product, size) => product * size, Number(dtype[1]))
  let runs = 0
  for (const { ensemble, forecast, assignment } of ensembles) {
    const { name, rules } = ensemble
    const { learners } = forecast
    const flips = whiteBox && forecast.spread === 1
    runs += rules.length + (flips ? 1 : 0)
    if (perInput) {
      const shape = rules.some(needsRankings) ? [inputs, learners, classes] : [inputs, learners]
      add(`ballots-${name}.npy`, array(shape, `u${rankBytes(classes)}`), true)
      add(`learners-${name}.txt`, 65 * learners - 1, true)
      if (flips) add(`flips-${name}.npy`, array([inputs, learners, classes + 1], 'f4'), true)
    }
    add(`buckets-${assignment.buckets}.json`, JSON.stringify(bucketManifest(set, assignment)).length + 1, false)
    if (width === null) continue
    const weights = 4 * forecast.models * classes * (width + 1)
    add(`ensemble-${name}.safetensors`, weights + learners * classes + 8192, false)
    add(`learners/${name}/learners-*`, weights + 250 * forecast.models, false)
  }
  const by = ensembles[0].ensemble.plan.by
  add('protected-set.json', JSON.stringify(recordOfSet(set, by, () => true)).length + 1, false)
  if (perInput) add('certified-inputs.json', inputs * entryBytes.record, false)
  add('certificate.json', 10_000 + (perInput ? inputs * runs * entryBytes.certificate : 0), false)
  add('certified-accuracy.svg', 1500 + 300 * runs, false)
  add('table.md', 500 + 150 * runs, false)
  return files
}
