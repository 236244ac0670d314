import { VideoMaeError } from '../../../core/errors.ts'
import { elementCount, type Program, type TensorId, type Update } from '../../../graph/program.ts'
import type { BufferGroup, SharedBuffers } from './memory.ts'

/** Keys of buffers. */
export const stateKey = (name: string): string => `state:${name}`
const gradientKey = (slot: string): string => `gradient:${slot}`

/** Tensors of a program that its updates read from the graph (not the scalar inputs). */
export function updateTensors(program: Program): readonly TensorId[] {
  const tensors = new Set<TensorId>()
  for (const update of program.updates) {
    if (update.kind === 'accumulate') for (const { gradient } of update.entries) tensors.add(gradient)
    else if (update.kind === 'adamw') {
      for (const { gradient } of update.entries) if ('tensor' in gradient) tensors.add(gradient.tensor)
    }
  }
  return [...tensors]
}

export interface BufferPlan {
  readonly groups: readonly BufferGroup[]
  /** Per program: the buffer of every tensor that its updates read. */
  readonly gradients: readonly ReadonlyMap<TensorId, string>[]
}

/**
 * Which buffers there are and which have to be together. Programs of a session run one at a time, so the gradients that
 * two programs have of one parameter share a buffer.
 */
export function planBuffers(programs: readonly Program[], states: ReadonlyMap<string, readonly number[]>): BufferPlan {
  const lengths = new Map<string, number>()
  const owner = new Map<string, string>()
  for (const [name, shape] of states) lengths.set(stateKey(name), elementCount(shape))
  const find = (key: string): string => {
    let root = key
    for (let next = owner.get(root); next !== undefined; next = owner.get(root)) root = next
    return root
  }
  const unite = (keys: readonly string[]): void => {
    const root = find(keys[0])
    for (const key of keys.slice(1)) if (find(key) !== root) owner.set(find(key), root)
  }
  const gradients = programs.map((program) => {
    const slots = new Map<TensorId, string>()
    const slotOf = (tensor: TensorId, parameter: string): string => {
      const existing = slots.get(tensor)
      if (existing !== undefined) return existing
      const length = elementCount(program.tensors[tensor].shape)
      const used = new Set(slots.values())
      let key = gradientKey(parameter)
      for (let i = 1; used.has(key) || (lengths.get(key) ?? length) !== length; i++)
        key = gradientKey(`${parameter}#${i}`)
      slots.set(tensor, key)
      lengths.set(key, length)
      return key
    }
    for (const update of program.updates) for (const keys of keysTogether(update, slotOf)) unite(keys)
    return slots
  })
  const groups = new Map<string, Map<string, number>>()
  for (const [key, length] of lengths) {
    const root = find(key)
    const group = groups.get(root)
    if (group === undefined) groups.set(root, new Map([[key, length]]))
    else group.set(key, length)
  }
  return { groups: [...groups.values()], gradients }
}

function keysTogether(update: Update, slotOf: (tensor: TensorId, parameter: string) => string): string[][] {
  switch (update.kind) {
    case 'adamw':
      return update.entries.map(({ parameter, gradient, firstMoment, secondMoment }) => [
        ...[parameter, firstMoment, secondMoment].map(stateKey),
        'tensor' in gradient ? slotOf(gradient.tensor, parameter) : stateKey(gradient.state),
      ])
    case 'ema':
      return update.entries.map(({ ema, source }) => [stateKey(ema), stateKey(source)])
    case 'accumulate':
      return update.entries.map(({ accumulator, gradient }) => [stateKey(accumulator), slotOf(gradient, accumulator)])
    case 'reduce':
    case 'zero':
      return []
  }
}

/** Bytes of one block: the unit of work of a thread and of a partial sum. Fixed, so results do not depend on threads. */
const blockBytes = 256 * 1024

/** Numbers of a block in `BlockTable.fields`. */
export const fieldsPerBlock = 6

/**
 * The work of one update in blocks, as flat arrays that threads share.
 * AdamW: buffers are parameter, gradient, first and second moment, factors decayScale and learningRateScale.
 * EMA, accumulate: buffers are target and source.
 */
export interface BlockTable {
  readonly count: number
  /** Per block: memory, up to four addresses, bytes. */
  readonly fields: Uint32Array
  /** Per block: up to two factors. */
  readonly factors: Float64Array
}

interface UpdateRow {
  readonly keys: readonly string[]
  readonly factors: readonly number[]
}

export function blockTable(
  update: Update,
  gradients: ReadonlyMap<TensorId, string>,
  buffers: SharedBuffers,
): BlockTable {
  const blocks: { readonly fields: number[]; readonly factors: readonly number[] }[] = []
  for (const { keys, factors } of updateRows(update, gradients)) {
    const slots = keys.map((key) => buffers.slots.get(key)!)
    const { memory, bytes } = slots[0]
    if (slots.some((slot) => slot.bytes !== bytes)) {
      throw new VideoMaeError(`Expected buffers of one size in an update, but received ${keys.join(', ')}.`, {
        code: 'SHAPE_MISMATCH',
      })
    }
    for (let start = 0; start < bytes; start += blockBytes) {
      const addresses = [0, 0, 0, 0]
      for (const [i, slot] of slots.entries()) addresses[i] = slot.address + start
      blocks.push({ fields: [memory, ...addresses, Math.min(blockBytes, bytes - start)], factors })
    }
  }
  const table = {
    count: blocks.length,
    fields: new Uint32Array(new SharedArrayBuffer(4 * fieldsPerBlock * blocks.length)),
    factors: new Float64Array(new SharedArrayBuffer(16 * blocks.length)),
  }
  for (const [i, { fields, factors }] of blocks.entries()) {
    table.fields.set(fields, i * fieldsPerBlock)
    table.factors.set(factors, 2 * i)
  }
  return table
}

function updateRows(update: Update, gradients: ReadonlyMap<TensorId, string>): UpdateRow[] {
  switch (update.kind) {
    case 'adamw':
      return update.entries.map(
        ({ parameter, gradient, firstMoment, secondMoment, decayScale, learningRateScale }) => ({
          keys: [
            stateKey(parameter),
            'tensor' in gradient ? gradients.get(gradient.tensor)! : stateKey(gradient.state),
            stateKey(firstMoment),
            stateKey(secondMoment),
          ],
          factors: [decayScale, learningRateScale],
        }),
      )
    case 'ema':
      return update.entries.map(({ ema, source }) => ({ keys: [stateKey(ema), stateKey(source)], factors: [] }))
    case 'accumulate':
      return update.entries.map(({ accumulator, gradient }) => ({
        keys: [stateKey(accumulator), gradients.get(gradient)!],
        factors: [],
      }))
    case 'reduce':
    case 'zero':
      return []
  }
}
