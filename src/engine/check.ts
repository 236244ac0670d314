/** What every engine checks before it computes: programs that fit together, inputs, state values and indices. */
import { requireCount } from '../core/counts.ts'
import { VideoMaeError } from '../core/errors.ts'
import { type PatchAttributes, patchGrid } from '../graph/operations/patches.ts'
import { elementCount, formatSpec, type Program, sameShape, type TensorId, type TensorSpec } from '../graph/program.ts'
import type { InputValue, RunInputs } from './engine.ts'

/**
 * Refuses a number of threads that is none, also in engines that have no use for it.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireThreads(threads: number | undefined): void {
  if (threads !== undefined) requireCount('threads', threads)
}

/** Shapes of all states of a session, by name. */
export type StateShapes = ReadonlyMap<string, readonly number[]>

/**
 * The states of programs that are opened together.
 *
 * @throws VideoMaeError `NAME_TAKEN` for two programs of one name, `SHAPE_MISMATCH` where two of them give one state
 *   different shapes
 */
export function collectStates(programs: readonly Program[]): StateShapes {
  const names = new Set<string>()
  const shapes = new Map<string, readonly number[]>()
  for (const program of programs) {
    if (names.has(program.name)) {
      throw new VideoMaeError(`Expected programs with different names, but received ${program.name} twice.`, {
        code: 'NAME_TAKEN',
      })
    }
    names.add(program.name)
    const read = program.state.map(({ name, tensor }) => ({ name, shape: program.tensors[tensor].shape }))
    for (const { name, shape } of [...read, ...program.updateState]) {
      const known = shapes.get(name)
      if (known !== undefined && !sameShape(known, shape)) {
        throw new VideoMaeError(
          `The program ${program.name} has the state ${name} with shape [${shape.join(',')}], but another program has it with shape [${known.join(',')}].`,
          { code: 'SHAPE_MISMATCH' },
        )
      }
      shapes.set(name, shape)
    }
  }
  return shapes
}

/** Bytes of all states at `bytesPerValue` each. */
export function stateBytes(shapes: StateShapes, bytesPerValue = 4): number {
  let count = 0
  for (const shape of shapes.values()) count += elementCount(shape)
  return count * bytesPerValue
}

/** Throws `PROGRAM_UNKNOWN` unless the session has a program of that name. */
export function findProgram<T>(programs: ReadonlyMap<string, T>, name: string): T {
  const program = programs.get(name)
  if (program === undefined) {
    throw new VideoMaeError(`Expected one of the programs ${[...programs.keys()].join(', ')}, but received ${name}.`, {
      code: 'PROGRAM_UNKNOWN',
    })
  }
  return program
}

/** The names themselves, or all states where none are given. Throws `STATE_UNKNOWN`. */
export function checkStateNames(shapes: StateShapes, names?: Iterable<string>): string[] {
  if (names === undefined) return [...shapes.keys()]
  const list = [...names]
  const unknown = list.filter((name) => !shapes.has(name))
  if (unknown.length > 0) {
    throw new VideoMaeError(`Expected names of states of this session, but received ${listSome(unknown)}.`, {
      code: 'STATE_UNKNOWN',
    })
  }
  return list
}

/** Throws `STATE_UNKNOWN`, `SHAPE_MISMATCH`; checks everything before the caller writes anything. */
export function checkStateValues(shapes: StateShapes, values: ReadonlyMap<string, Float32Array>): void {
  for (const name of checkStateNames(shapes, values.keys())) {
    const shape = shapes.get(name)!
    const received = values.get(name)!.length
    if (received !== elementCount(shape)) {
      throw new VideoMaeError(
        `The state ${name} has shape [${shape.join(',')}], ${elementCount(shape)} values, but received ${received}.`,
        { code: 'SHAPE_MISMATCH' },
      )
    }
  }
}

/**
 * Prepares the check of one program's inputs; call the result at every run.
 *
 * The check throws VideoMaeError `INPUT_MISSING`, `INPUT_UNKNOWN`, `INPUT_TYPE`, `INPUT_LENGTH` and, for indices that
 * point outside what they index, `INDEX_RANGE` (on a GPU those would read foreign memory). With `some`, inputs may be
 * missing.
 */
export function inputCheck(program: Program): (inputs: RunInputs, which?: 'all' | 'some') => void {
  const names = new Set(program.inputs.map(({ name }) => name))
  const limits = indexLimits(program)
  for (const { tensor, data } of program.constants) checkRange(program, 'a constant', data, limits.get(tensor))
  return (inputs, which = 'all') => {
    const unknown = Object.keys(inputs).filter((name) => !names.has(name))
    if (unknown.length > 0) {
      throw new VideoMaeError(
        `The program ${program.name} takes the inputs ${[...names].join(', ') || '(none)'}, but received ${listSome(unknown)}.`,
        { code: 'INPUT_UNKNOWN' },
      )
    }
    for (const { name, tensor } of program.inputs) {
      const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined
      if (value === undefined && which === 'some') continue
      checkInput(program, name, program.tensors[tensor], value)
      checkRange(program, `the input ${name}`, value!, limits.get(tensor))
    }
  }
}

const arrayTypes = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array } as const

function checkInput(program: Program, name: string, spec: TensorSpec, value: InputValue | undefined): void {
  const expected = `The program ${program.name} expects ${formatSpec(spec)} as input ${name}`
  if (value === undefined) throw new VideoMaeError(`${expected}, but received none.`, { code: 'INPUT_MISSING' })
  // Buffers of Node are Uint8Arrays too.
  if (!(value instanceof arrayTypes[spec.dtype])) {
    throw new VideoMaeError(`${expected}, but received ${Object.prototype.toString.call(value).slice(8, -1)}.`, {
      code: 'INPUT_TYPE',
      hint: `Pass a ${arrayTypes[spec.dtype].name}.`,
    })
  }
  if (value.length !== elementCount(spec.shape)) {
    throw new VideoMaeError(`${expected}, ${elementCount(spec.shape)} values, but received ${value.length}.`, {
      code: 'INPUT_LENGTH',
    })
  }
}

function checkRange(program: Program, what: string, data: InputValue, limit: number | undefined): void {
  if (limit === undefined) return
  for (let i = 0; i < data.length; i++) {
    if (data[i] < 0 || data[i] >= limit) {
      throw new VideoMaeError(
        `The program ${program.name} expects indices from 0 to ${limit - 1} in ${what}, but received ${data[i]} at position ${i}.`,
        { code: 'INDEX_RANGE' },
      )
    }
  }
}

/** For every tensor of indices: how many entries the smallest thing it indexes has. */
function indexLimits(program: Program): ReadonlyMap<TensorId, number> {
  const limits = new Map<TensorId, number>()
  const restrict = (id: TensorId, limit: number): void => {
    limits.set(id, Math.min(limit, limits.get(id) ?? limit))
  }
  // Backwards, so that a reshaped tensor's limit is known when its source is reached.
  for (const { operation, inputs, outputs, attributes } of [...program.nodes].reverse()) {
    const specs = inputs.map((id) => program.tensors[id])
    if (operation === 'gatherTokens') restrict(inputs[1], specs[0].shape[1])
    else if (operation === 'scatterTokens') restrict(inputs[1], attributes.tokens as number)
    else if (operation === 'gatherRows') restrict(inputs[1], specs[0].shape[0])
    else if ((operation === 'patchify' || operation === 'patchTargets') && inputs.length === 2) {
      const layout = attributes.layout === 'BTCHW' ? 'BTCHW' : 'BTHWC'
      const { grid } = patchGrid(operation, specs, attributes as unknown as PatchAttributes, layout)
      restrict(inputs[1], grid[0] * grid[1] * grid[2])
    } else if (operation === 'reshape' && limits.has(outputs[0])) restrict(inputs[0], limits.get(outputs[0])!)
  }
  return limits
}

function listSome(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}
