/**
 * Extreme values planted into the random cases of every operation, and what an engine's results must then be: close to the
 * float64 reference where that is finite, and not a finite number where it is not.
 */
import fc from 'fast-check'
import { gelu, geluGradient, squareRoot } from '../../src/graph/operations/elementwise.ts'
import { linear, linearInputGradient } from '../../src/graph/operations/linear.ts'
import { CaseBuilder } from '../support/case-builder.ts'
import { type OperationCase, operationCases } from '../support/operation-cases.ts'
import { runReference } from '../support/run-operation-case.ts'

const sizes = fc.record({
  seed: fc.nat(),
  rows: fc.integer({ min: 1, max: 20 }),
  inner: fc.integer({ min: 1, max: 40 }),
})

/** The cases of every operation, and those that only the native engine's fusion makes. */
export const extremeCases: Readonly<Record<string, fc.Arbitrary<OperationCase>>> = {
  ...operationCases,
  squareRoot: sizes.map(({ seed, rows, inner }) => {
    const build = new CaseBuilder('squareRoot', seed)
    return build.finish({ y: squareRoot(build.float('x', [rows, inner], { mean: 2 })) }, [])
  }),
  linearGelu: sizes.map(({ seed, rows, inner }) => {
    const build = new CaseBuilder('linearGelu', seed)
    const [x, w] = [build.float('x', [rows, inner]), build.float('w', [2 * inner + 17, inner], { scale: 0.3 })]
    const y = linear(x, w, build.float('b', [2 * inner + 17]))
    return build.finish({ y, after: gelu(y) }, [])
  }),
  linearInputGradientGelu: sizes.map(({ seed, rows, inner }) => {
    const build = new CaseBuilder('linearInputGradientGelu', seed)
    const [dy, w] = [build.float('dy', [rows, inner]), build.float('w', [inner, 2 * inner + 17], { scale: 0.3 })]
    const before = build.float('before', [rows, 2 * inner + 17], { scale: 2 })
    return build.finish({ y: geluGradient(linearInputGradient(dy, w), before) }, [])
  }),
}

export const extremeValues: readonly number[] = [
  ...[0, -0, 1e-40, 1e-30, 1, 1e19, -1e20, 1e30, 3e38, -3e38],
  ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
]
/** One entry of a leaf, one row of its last axis, one row with both signs, or the whole leaf. */
export const plantings = ['entry', 'row', 'mixed row', 'whole'] as const
export type Planting = (typeof plantings)[number]

export const largestFloat = 3.4028234663852886e38
const smallestNormal = 2 ** -126

/** Names of leaves that hold floats. */
export function floatLeaves({ inputs, state }: OperationCase): readonly string[] {
  const fed = Object.entries(inputs).filter(([, value]) => value instanceof Float32Array)
  return [...fed.map(([name]) => name), ...state.keys()]
}

function leafOf(made: OperationCase, leaf: string): Float32Array {
  return (made.inputs[leaf] ?? made.state.get(leaf)) as Float32Array
}

function changeLeaf(made: OperationCase, leaf: string, change: (values: Float32Array) => Float32Array): OperationCase {
  const input = made.inputs[leaf]
  if (input instanceof Float32Array) return { ...made, inputs: { ...made.inputs, [leaf]: change(input) } }
  return { ...made, state: new Map(made.state).set(leaf, change(made.state.get(leaf)!)) }
}

/** @param index which entry, or which row, counted around */
export function plant(made: OperationCase, leaf: string, how: Planting, extreme: number, index: number): OperationCase {
  const { program } = made
  const found = [...program.inputs, ...program.state].find(({ name }) => name === leaf)!
  const { shape } = program.tensors[found.tensor]
  const label = `${made.label}, ${extreme} as ${how} of ${leaf}`
  return changeLeaf({ ...made, label }, leaf, (values) => {
    const width = how === 'entry' ? 1 : how === 'whole' ? values.length : (shape.at(-1) ?? 1)
    const first = (index % (values.length / width)) * width
    const sign = (i: number): number => (how === 'mixed row' && i % 3 === 1 ? -1 : 1)
    return values.map((value, i) => (i >= first && i < first + width ? sign(i) * extreme : value))
  })
}

/** Denormal numbers become zero, as the kernels take them. */
export function flushLeaves(made: OperationCase): OperationCase {
  const flush = (values: Float32Array): Float32Array =>
    values.map((value) => (Math.abs(value) < smallestNormal ? value * 0 : value))
  return floatLeaves(made).reduce((flushed, leaf) => changeLeaf(flushed, leaf, flush), made)
}

/** What the results of a case may be. */
export interface Expectation {
  readonly values: Readonly<Record<string, ArrayLike<number>>>
  /** Errors are relative to these, element by element. */
  readonly scales: Readonly<Record<string, ArrayLike<number>>>
  /** Sums on the way may be beyond float32: results need not be finite. */
  readonly mayOverflow: boolean
}

/** Sums of products: with all leaves positive, what comes out bounds every sum on the way. */
const positiveForms: ReadonlySet<string> = new Set([
  ...['add', 'multiply', 'scale', 'scaleSamples', 'sumLeading', 'broadcastLeading', 'reshape', 'slice'],
  ...['pad', 'concat', 'gatherTokens', 'scatterTokens', 'gatherRows', 'meanTokens', 'meanTokensGradient'],
  ...['linear', 'linearInputGradient', 'linearParameterGradient', 'absolute', 'squareRoot', 'gelu'],
  ...['geluGradient', 'patchify', 'linearGelu', 'linearInputGradientGelu'],
])

const largestOf = (values: ArrayLike<number>): number => {
  let most = 0
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) < Infinity) most = Math.max(most, Math.abs(values[i]))
  return most
}

/** Largest finite magnitude in each row of `width`, once for each element. */
function rowScales(values: Float32Array, width: number): Float64Array {
  const scales = new Float64Array(values.length)
  for (let first = 0; first < values.length; first += width) {
    scales.fill(largestOf(values.subarray(first, first + width)), first, first + width)
  }
  return scales
}

/** Every score and gradient of a score is a sum of at most so much. */
function attentionOverflows(made: OperationCase): boolean {
  const bounds = floatLeaves(made).map((leaf) => largestOf(leafOf(made, leaf)))
  const most = Math.max(...bounds)
  return bounds.length === 1
    ? most * most * 64 > largestFloat
    : bounds.reduce((a, b) => a * Math.max(b, 1), 64) * Math.max(1, most) > largestFloat
}

/** What an error is relative to where all results are smaller, because a formula cancels. */
function leastScale(operation: string, made: OperationCase): number {
  const of = (...names: readonly string[]): number => Math.max(...names.map((name) => largestOf(leafOf(made, name))))
  if (operation === 'softmax') return 1
  if (operation === 'softmaxCrossEntropy') return Math.max(1, of('logits', 'targets'))
  if (operation === 'softmaxCrossEntropyGradient') return of('targets') * Math.max(1, of('dLoss'))
  return operation === 'attentionGradient' ? 0.1 : made.floor
}

/** Sums on the way to a finite result that is none of `positiveForms`. */
function overflows(operation: string, made: OperationCase): boolean {
  if (operation.startsWith('attention')) return attentionOverflows(made)
  // A parameter's gradient is a sum over rows.
  return operation === 'layerNormGradient' && largestOf(leafOf(made, 'dy')) > 1e35
}

export async function expectationOf(operation: string, made: OperationCase): Promise<Expectation> {
  const flushed = flushLeaves(made)
  const values = await runReference(flushed)
  if (positiveForms.has(operation)) {
    const positive = floatLeaves(flushed).reduce(
      (all, leaf) => changeLeaf(all, leaf, (list) => list.map((value) => (Number.isNaN(value) ? 0 : Math.abs(value)))),
      flushed,
    )
    const scales = await runReference(positive)
    const mayOverflow = Object.values(scales).some((list) => list.some((value) => !(value < largestFloat / 1.01)))
    return { values, scales, mayOverflow }
  }
  const least = leastScale(operation, flushed)
  const scales = Object.fromEntries(
    Object.entries(values).map(([name, list]) => {
      const spec = made.program.tensors[made.program.outputs.find((output) => output.name === name)!.tensor]
      // Gradients of scores cancel in some rows of attention: errors are relative to all rows.
      const cancels = operation === 'attentionGradient'
      const rows = rowScales(list as Float32Array, cancels ? list.length : (spec.shape.at(-1) ?? 1))
      const factor = cancels ? 3 : 1
      return [name, rows.map((row) => factor * Math.max(row, least))]
    }),
  )
  return { values, scales, mayOverflow: overflows(operation, flushed) }
}

/** Elements of a result that break the rules, as text. */
export function violations(
  { values, scales, mayOverflow }: Expectation,
  actual: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: number,
  largest: number = largestFloat,
): string[] {
  const found: string[] = []
  for (const [name, list] of Object.entries(values)) {
    for (let i = 0; i < list.length; i++) {
      const [expected, got, scale] = [list[i], actual[name][i], scales[name][i]]
      const near = Math.abs(expected) * (1 + tolerance) > largest
      if (Number.isFinite(got)) {
        // Where the reference is infinite by a rounding, so may be the largest numbers.
        if (!Number.isFinite(expected)) {
          if (near && Math.sign(got) === Math.sign(expected) && Math.abs(got) * (1 + tolerance) > largest) continue
        } else if (Math.abs(got - expected) <= tolerance * Math.max(scale, Math.abs(expected)) + 2 * smallestNormal) {
          continue
        }
      } else if (!Number.isFinite(expected) || near || mayOverflow) {
        continue
      }
      found.push(`${name}[${i}] ${got}, expected ${expected} (scale ${scale})`)
      break
    }
  }
  return found
}
