/** From the trained learners of a certification to an ensemble file. */
import path from 'node:path'
import { makeFolder } from '../../../core/make-folder.ts'
import { engineRecord } from '../../../train/engine-choice.ts'
import type { EnsembleToKeep } from '../../certify-plan.ts'
import { digestOfEnsemble } from '../../ensemble/digest.ts'
import type { SampleSet, TestInputs } from '../../ensemble/feature-set.ts'
import type { EnsembleReference } from '../../files/certificate-file.ts'
import type { FeatureSource } from '../feature-source.ts'
import { inputClips } from '../input-row.ts'
import type { CertifyVideosOptions, CertifyVideosPlan } from '../plan.ts'
import type { Prepared } from '../prepare.ts'
import { weightsOf } from '../provenance.ts'
import { opensClasses, readoutOf, threatOfVideos } from '../video-certificate.ts'
import { clipFacts } from './clip-facts.ts'
import type { EnsembleDescription, EnsembleEncoder } from './description.ts'
import { writeEnsemble } from './ensemble-file.ts'

const encoderOf = (source: FeatureSource): EnsembleEncoder => ({
  name: source.name,
  digest: weightsOf(source),
  ...clipFacts(source),
})

/** Name of the file of an ensemble, e.g. `ensemble-k50-d1.safetensors`. */
const ensembleFile = (name: string): string => `ensemble-${name}.safetensors`

/**
 * Writes an ensemble into a folder.
 *
 * @returns null where its learners are no matrices on features
 * @throws VideoMaeError as `writeEnsemble`
 */
export async function keepEnsemble<Inputs extends TestInputs>(
  folder: string,
  { k, d, rules, name, trained, threat, bucketManifest, warnings }: EnsembleToKeep<Inputs>,
  plan: CertifyVideosPlan,
  { scales = null }: Pick<Prepared<SampleSet, Inputs>, 'scales'>,
  options: CertifyVideosOptions & { readonly groups?: number },
): Promise<EnsembleReference | null> {
  const { heads } = trained
  if (heads === undefined) return null
  const { classes, periods = null, sources } = plan
  const readout = readoutOf(sources)
  const { seed = 0, by = 'content', decoder = 'node-av', engine = null, groups = null } = options
  const description: EnsembleDescription = {
    schema: 'videomae.ensemble/1',
    rules: [...rules],
    ...{ partitions: k, spread: d, offsets: periods === null ? [...trained.offsets] : [] },
    ...{ groups, periods, seed, seeds: 1, by, bucketManifest, learnersDigest: digestOfEnsemble(trained.records) },
    ...{ classes: opensClasses(classes) ? 'any' : 'declared', classNames: [...classes], head: heads.head },
    threat: copied(threatOfVideos(threat, plan, options)),
    warnings: [...warnings],
    features: {
      kind: 'pooled',
      ...(readout === undefined ? {} : { readout }),
      ...(options.augment === undefined ? {} : { augment: [...options.augment] }),
      ...(inputClips(options) === 1 ? {} : { testClips: inputClips(options) }),
      engine: sources.every(({ kind }) => kind === 'pixels') ? null : await engineRecord(engine),
      decoder,
      encoders: sources.map(encoderOf),
    },
  }
  const file = ensembleFile(name)
  makeFolder(folder)
  return { file, digest: await writeEnsemble(path.join(folder, file), { description, heads, scales }) }
}

function copied({ conditions, notCovered, ...threat }: EnsembleToKeep<TestInputs>['threat']) {
  return { ...threat, conditions: [...conditions], notCovered: [...notCovered] }
}
