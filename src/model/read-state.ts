import { VideoMaeError } from '../core/errors.ts'
import { requireFiniteTensor } from '../format/finite.ts'
import type { SafetensorsFile } from '../format/safetensors.ts'
import { elementCount, sameShape } from '../graph/program.ts'
import type { ModelConfiguration } from './configuration.ts'
import { type FileTensor, fileShape, originalTensors } from './names.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'
import { ambiguous, equalValues, requireEqual } from './stored-twice.ts'

/** Which parameters are read. */
export interface StateRequest {
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly classes: number | null
}

/** The bias of the fused matrix that may stand in place of the original's `q_bias` and `v_bias`; null for other parameters. */
export function fusedBias(parameter: string): string | null {
  const match = /^(.*\.attn)\.[qv]_bias$/.exec(parameter)
  return match === null ? null : `${match[1]}.qkv.bias`
}

/**
 * The parameters of a model from the tensors of a file.
 *
 * @param inFile names in the file by the names without wrappers
 * @param tensorsOf the tensors that hold a parameter, joined along the first axis
 * @throws VideoMaeError `TENSOR_MISSING` naming all missing tensors, `TENSOR_SHAPE`, `TENSOR_AMBIGUOUS`, `WEIGHTS_NOT_FINITE`
 */
export async function readState(
  path: string,
  file: SafetensorsFile,
  inFile: ReadonlyMap<string, string>,
  tensorsOf: (parameter: string) => readonly FileTensor[],
  { configuration, kind, classes }: StateRequest,
): Promise<Map<string, Float32Array>> {
  const state = new Map<string, Float32Array>()
  const missing: string[] = []
  for (const [parameter, shape] of parameterShapes(configuration, kind, classes)) {
    const tensors = tensorsOf(parameter)
    const expected = fileShape(parameter, shape, tensors.length, configuration)
    // Nothing is allocated before the file is known to hold as much: its config.json may ask for anything.
    const stored = tensors.map((tensor) => storedNames(inFile, tensor))
    const found = stored.map(([raw]) => {
      if (raw === undefined) return null
      const actual = file.info(raw).shape
      if (!sameShape(actual, expected)) throw shapeMismatch(path, raw, expected, actual)
      return raw
    })
    for (const raws of stored) if (raws.length > 1) await requireEqual(path, file, ...raws)
    const absent = tensors.filter((_, i) => found[i] === null).map(({ name }) => name)
    if (absent.length > 0) {
      const fused = await readFusedBias(path, file, inFile, parameter, elementCount(shape))
      if (fused === null) missing.push(...absent)
      else state.set(parameter, fused)
      continue
    }
    const values = new Float32Array(elementCount(shape))
    for (const [i, raw] of found.entries()) {
      const read = await file.readFloat32(raw!)
      requireFiniteTensor(path, raw!, read)
      values.set(read, i * elementCount(expected))
    }
    await checkFusedBias(path, file, inFile, parameter, found[0]!, values)
    state.set(parameter, values)
  }
  if (missing.length > 0) {
    throw new VideoMaeError(
      `Expected ${missing.length} more tensors in ${path}: ${missing.slice(0, 12).join(', ')}${missing.length > 12 ? ', ...' : ''}.`,
      {
        code: 'TENSOR_MISSING',
        exit: 'data',
        hint: 'The file belongs to a model of another kind or size than its config.json says, or some tensors were removed.',
      },
    )
  }
  return state
}

/** The query or value part of a fused bias [3D]; its key part cancels in the softmax. Null where the file has none. */
async function readFusedBias(
  path: string,
  file: SafetensorsFile,
  inFile: ReadonlyMap<string, string>,
  parameter: string,
  width: number,
): Promise<Float32Array | null> {
  const raws = fusedNames(inFile, parameter)
  const [raw] = raws
  if (raw === undefined) return null
  await requireEqual(path, file, ...raws)
  const { shape } = file.info(raw)
  if (!sameShape(shape, [3 * width])) throw shapeMismatch(path, raw, [3 * width], shape)
  const all = await file.readFloat32(raw)
  requireFiniteTensor(path, raw, all)
  return parameter.endsWith('q_bias') ? all.slice(0, width) : all.slice(2 * width)
}

/** The names in the file of the fused bias. */
function fusedNames(inFile: ReadonlyMap<string, string>, parameter: string): readonly string[] {
  const name = fusedBias(parameter)
  return name === null ? [] : originalTensors(name).flatMap((tensor) => storedNames(inFile, tensor))
}

/** A fused bias next to `q_bias` or `v_bias`, as some files keep it for the original's code, holds the same values. */
async function checkFusedBias(
  path: string,
  file: SafetensorsFile,
  inFile: ReadonlyMap<string, string>,
  parameter: string,
  name: string,
  values: Float32Array,
): Promise<void> {
  const [raw] = fusedNames(inFile, parameter)
  if (raw === undefined) return
  const fused = await readFusedBias(path, file, inFile, parameter, values.length)
  if (fused !== null && !equalValues(fused, values)) throw ambiguous(path, name, raw)
}

/** The names in the file of one tensor, the preferred one first. */
function storedNames(inFile: ReadonlyMap<string, string>, tensor: FileTensor): readonly string[] {
  // Beside an encoder with its prefix, a position table without one is the decoder's (`storedPositions`).
  const isPrefixed = inFile.has('encoder.patch_embed.proj.weight')
  const names = tensor.name === 'encoder.pos_embed' && isPrefixed ? [tensor.name] : tensorNames([tensor])
  return names.flatMap((name) => inFile.get(name) ?? [])
}

/** All names under which the tensors of a parameter may stand in a file. */
export function tensorNames(tensors: readonly FileTensor[]): readonly string[] {
  return tensors.flatMap(({ name, aliases }) => [name, ...aliases])
}

function shapeMismatch(path: string, name: string, expected: readonly number[], found: readonly number[]) {
  return new VideoMaeError(
    `Expected shape [${expected.join(', ')}] for tensor ${name} in ${path}, found [${found.join(', ')}].`,
    { code: 'TENSOR_SHAPE', exit: 'data' },
  )
}
