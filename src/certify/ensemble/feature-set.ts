import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { sha256 } from './hash.ts'

/** A labeled collection as buckets and threats see it: who each row is, not what it looks like. A row is a clip. */
export interface SampleSet {
  /** Number of rows. */
  readonly rows: number
  /** [rows] index into `classNames`. */
  readonly labels: Int32Array
  /** Declared by the user, never collected from the labels: a list that grows with the data couples the learners. */
  readonly classNames: readonly string[]
  /** [rows] name of the video that the clip comes from; clips of one video share it. Buckets by id, and only they, rest on it. */
  readonly ids: readonly string[]
  /**
   * [rows] SHA-256 of the content of the whole video that the clip comes from, hexadecimal; clips of one video share it, and
   * are one poisoned sample with buckets by content. The label is not part of it.
   */
  readonly digests: readonly string[]
  /** [rows] what tells rows of one digest apart, where they are parts of one file. */
  readonly parts?: readonly string[]
  /**
   * [rows] digest of the part of the file that the clip is of, where a list names parts: for the record of the set. Training does not
   * depend on it.
   */
  readonly segments?: readonly string[]
  /** [rows] SHA-256 of the file that the video was prepared from; null for one that was not. What was trained on one has seen the other. */
  readonly originals?: readonly (string | null)[]
  /** [rows] source of the video: uploader, camera, collection batch. Needed for certificates against whole sources. */
  readonly groups?: readonly string[]
  /** [rows] when the video was collected, in any unit. Needed for certificates against poison in a stretch of time. */
  readonly times?: readonly number[]
}

/** Frozen features of a labeled collection: what an encoder hands to this part of the program. */
export interface FeatureSet extends SampleSet {
  /** [rows, width] row-major. */
  readonly features: Float32Array
  /** Values of a row. */
  readonly width: number
}

/** Inputs to predict. */
export interface TestInputs {
  /** Number of inputs. */
  readonly rows: number
  /** [rows] index into the classes; for accuracy only. */
  readonly labels: Int32Array
  /** [rows] names for reports. */
  readonly ids?: readonly string[]
  /** [rows] SHA-256 of the content, with the part of the file that is meant (`DIGEST#0-1.5`): for the record of the inputs. */
  readonly digests?: readonly string[]
  /** [rows] as in `SampleSet`. */
  readonly originals?: readonly (string | null)[]
  /** [groups] the same inputs as each group's encoder sees them, where there is one for each group. */
  readonly perGroup?: readonly TestInputs[]
}

/** Features of inputs to predict. */
export interface TestSet extends TestInputs {
  /** [rows, width] row-major. */
  readonly features: Float32Array
  /** Values of a row. */
  readonly width: number
  /** [groups] the same inputs as features of each group's encoder, where there is one for each group. */
  readonly perGroup?: readonly TestSet[]
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function checkLabels(set: Pick<TestInputs, 'rows' | 'labels'>, classes: number, name = 'test'): void {
  const { rows, labels } = set
  if (!Number.isInteger(rows) || rows < 0) throw invalidArgument(`${name}.rows`, 'a non-negative integer', rows)
  if (labels.length !== rows) throw invalidArgument(`${name}.labels`, `${rows} labels`, labels.length)
  const wrong = labels.find((label) => !(Number.isInteger(label) && label >= 0 && label < classes))
  if (wrong !== undefined) throw invalidArgument(`${name}.labels`, `class indices below ${classes}`, wrong)
}

/** @throws VideoMaeError `INVALID_ARGUMENT` or `FEATURES_NOT_FINITE` */
export function checkTestSet(set: TestSet, classes: number, name = 'test'): void {
  checkLabels(set, classes, name)
  const { rows, width, features } = set
  if (!Number.isInteger(width) || width < 1) throw invalidArgument(`${name}.width`, 'a positive integer', width)
  // Digests are made of the bytes, and learners of float32 values.
  if (!(features instanceof Float32Array))
    throw invalidArgument(`${name}.features`, 'a Float32Array', Object.prototype.toString.call(features))
  if (features.length !== rows * width)
    throw invalidArgument(`${name}.features`, `${rows} x ${width} numbers`, features.length)
  const bad = features.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new VideoMaeError(
      `Expected finite features, but row ${Math.floor(bad / width)} of ${name} has ${features[bad]} at ${bad % width}.`,
      { code: 'FEATURES_NOT_FINITE', exit: 'data', hint: 'Extract the features of this clip again.' },
    )
  }
}

/**
 * Checks a training set of features: sizes that fit together, labels that are classes, finite values.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` or `FEATURES_NOT_FINITE`
 */
export function checkFeatureSet(set: FeatureSet): void {
  checkSampleSet(set)
  checkTestSet(set, set.classNames.length, 'training set')
}

/** @throws VideoMaeError `INVALID_ARGUMENT` when a column is shorter or longer than the others, or a label is no class */
export function checkSampleSet(set: SampleSet): void {
  if (set.classNames.length < 2) throw invalidArgument('classNames', 'at least two classes', set.classNames.length)
  const twice = set.classNames.find((name, c) => set.classNames.indexOf(name) !== c)
  if (twice !== undefined) throw invalidArgument('classNames', 'different names', twice)
  checkLabels(set, set.classNames.length, 'training set')
  for (const [name, column] of [
    ['ids', set.ids],
    ['digests', set.digests],
    ['groups', set.groups],
    ['times', set.times],
  ] as const) {
    if (column !== undefined && column.length !== set.rows)
      throw invalidArgument(name, `${set.rows} entries`, column.length)
  }
}

/**
 * The rows with these indices, in this order.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a row that is not there
 */
export function selectRows(set: FeatureSet, rows: ArrayLike<number>): FeatureSet {
  const { width } = set
  for (let i = 0; i < rows.length; i++)
    if (!Number.isInteger(rows[i]) || rows[i] < 0 || rows[i] >= set.rows)
      throw invalidArgument(`rows[${i}]`, `a row below ${set.rows}`, rows[i])
  const features = new Float32Array(rows.length * width)
  for (let i = 0; i < rows.length; i++)
    features.set(set.features.subarray(rows[i] * width, (rows[i] + 1) * width), i * width)
  return { ...selectSamples(set, rows), features, width }
}

/** The rows with these indices, in this order, without their content. */
function selectSamples(set: SampleSet, rows: ArrayLike<number>): SampleSet {
  const pick = <T>(column: ArrayLike<T>) => Array.from({ length: rows.length }, (_, i) => column[rows[i]])
  return {
    rows: rows.length,
    labels: Int32Array.from(pick(set.labels)),
    classNames: set.classNames,
    ids: pick(set.ids),
    digests: pick(set.digests),
    ...(set.groups === undefined ? {} : { groups: pick(set.groups) }),
    ...(set.parts === undefined ? {} : { parts: pick(set.parts) }),
    ...(set.segments === undefined ? {} : { segments: pick(set.segments) }),
    ...(set.originals === undefined ? {} : { originals: pick(set.originals) }),
    ...(set.times === undefined ? {} : { times: pick(set.times) }),
  }
}

/** Scales every row to unit length, each on its own: no statistic is shared between samples. A zero row stays zero. */
export function unitRows(features: Float32Array, rows: number, width: number): Float32Array {
  const scaled = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    let square = 0
    for (let k = row * width; k < (row + 1) * width; k++) square += features[k] * features[k]
    const factor = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let k = row * width; k < (row + 1) * width; k++) scaled[k] = features[k] * factor
  }
  return scaled
}

/** SHA-256 of the feature bytes of each row: a content digest where the clips' own are not at hand. */
export function digestRows(features: Float32Array, rows: number, width: number): string[] {
  const bytes = new Uint8Array(features.buffer, features.byteOffset, features.byteLength)
  return Array.from({ length: rows }, (_, row) => sha256(bytes.subarray(row * width * 4, (row + 1) * width * 4)))
}
