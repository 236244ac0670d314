/** One parameter that a file holds under several names: only equal values say which one is meant. */
import { VideoMaeError } from '../core/errors.ts'
import type { SafetensorsFile, TensorInfo } from '../format/safetensors.ts'
import { sameShape } from '../graph/program.ts'
import { carriesNothing, stripWrappers } from './names.ts'

/**
 * Names in a file by the names without what wrappers put before them.
 *
 * @throws VideoMaeError `TENSOR_AMBIGUOUS` for names that differ in wrappers only, with different values
 */
export async function namesWithoutWrappers(path: string, file: SafetensorsFile): Promise<Map<string, string>> {
  const inFile = new Map<string, string>()
  for (const raw of file.names) {
    const name = stripWrappers(raw)
    const before = inFile.get(name)
    if (before === undefined) inFile.set(name, raw)
    else if (!carriesNothing(name)) await requireEqual(path, file, before, raw)
  }
  return inFile
}

/**
 * @param names of tensors of the file that stand for one parameter
 * @throws VideoMaeError `TENSOR_AMBIGUOUS` where shapes or values differ
 */
export async function requireEqual(path: string, file: SafetensorsFile, ...names: readonly string[]): Promise<void> {
  const [first, ...others] = names
  for (const other of others) if (!(await isEqual(file, first, other))) throw ambiguous(path, first, other)
}

async function isEqual(file: SafetensorsFile, a: string, b: string): Promise<boolean> {
  const [one, two] = [file.info(a), file.info(b)]
  if (!sameShape(one.shape, two.shape)) return false
  const areFloats = isFloat(one) && isFloat(two)
  // Integers are counters of training, without float32.
  if (!areFloats && one.dtype !== two.dtype) return false
  const read = (name: string) => (areFloats ? file.readFloat32(name) : file.read(name))
  return equalValues(await read(a), await read(b))
}

const isFloat = ({ dtype }: TensorInfo): boolean => /^B?F\d+$/.test(dtype)

/** Whether values are the same; NaN equals NaN, which is refused by its own name later. */
export function equalValues(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++)
    if (a[i] !== b[i] && !(Number.isNaN(Number(a[i])) && Number.isNaN(Number(b[i])))) return false
  return true
}

export function ambiguous(path: string, one: string, other: string): VideoMaeError {
  return new VideoMaeError(
    `Expected one value of each parameter in ${path}, but ${one} and ${other} are the same parameter with different values.`,
    {
      code: 'TENSOR_AMBIGUOUS',
      exit: 'data',
      hint: 'When you convert the file, leave out the one that does not belong to the model (docs/from-python.md).',
    },
  )
}
