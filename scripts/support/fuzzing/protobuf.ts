/** Protocol buffer messages as trees of fields, to change them without breaking the lengths around the change. */

import type { RandomStream } from '../../../src/model.ts'
import { pick } from './mutations.ts'

interface Field {
  readonly number: number
  readonly wire: number
  /** Of a varint, or the bytes of any other field. */
  readonly value: bigint | Uint8Array
  /** The fields inside, where the schema says that there are some. */
  readonly fields?: readonly Field[]
}

/** Which fields of a message are messages, and of what. */
export interface Schema {
  readonly [field: number]: Schema | (() => Schema)
}

const at = (schema: Schema, field: number): Schema | undefined => {
  const found = schema[field]
  return typeof found === 'function' ? found() : found
}

function readVarint(bytes: Uint8Array, from: number): readonly [bigint, number] {
  let value = 0n
  for (let i = 0; ; i++) {
    const byte = bytes[from + i]
    value |= BigInt(byte & 127) << BigInt(7 * i)
    if (byte < 128) return [value, from + i + 1]
  }
}

function writeVarint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Uint8Array.from([...bytes, Number(rest)])
}

/** A message that is whole, as this program wrote it. */
export function parse(bytes: Uint8Array, schema: Schema): Field[] {
  const fields: Field[] = []
  for (let from = 0; from < bytes.length; ) {
    const [tag, start] = readVarint(bytes, from)
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)]
    if (wire === 0) {
      const [value, end] = readVarint(bytes, start)
      fields.push({ number, wire, value })
      from = end
      continue
    }
    const [length, body] = wire === 2 ? readVarint(bytes, start) : [wire === 1 ? 8n : 4n, start]
    from = body + Number(length)
    const value = bytes.subarray(body, from)
    const inside = wire === 2 ? at(schema, number) : undefined
    fields.push({ number, wire, value, ...(inside === undefined ? {} : { fields: parse(value, inside) }) })
  }
  return fields
}

export function serialize(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.flatMap(({ number, wire, value, fields: inside }) => {
      const tag = writeVarint(BigInt(number * 8 + wire))
      if (typeof value === 'bigint') return [tag, writeVarint(value)]
      const body = inside === undefined ? value : serialize(inside)
      return wire === 2 ? [tag, writeVarint(BigInt(body.length)), body] : [tag, body]
    }),
  )
}

const numbers = [0n, 1n, 2n, 7n, 16n, 255n, 2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 63n - 1n, -1n, -2n]

/** Changes one field somewhere: value, length, number, kind; or removes or repeats it. */
export function mutateFields(random: RandomStream, fields: readonly Field[]): Field[] {
  if (fields.length === 0) return [{ number: 1 + random.integer(20), wire: 0, value: pick(random, numbers) }]
  const chosen = random.integer(fields.length)
  return fields.flatMap((field, i): Field[] => {
    if (i !== chosen) return [field]
    if (field.fields !== undefined && random.integer(6) > 0) {
      return [{ ...field, fields: mutateFields(random, field.fields) }]
    }
    switch (random.integer(6)) {
      case 0:
        return []
      case 1:
        return [field, field]
      case 2:
        return [{ ...field, number: 1 + random.integer(30) }]
      case 3:
        return [{ number: field.number, wire: 0, value: pick(random, numbers) }]
      default: {
        if (typeof field.value === 'bigint') return [{ ...field, value: pick(random, numbers) }]
        const value = Buffer.from(field.value)
        if (value.length > 0) value[random.integer(value.length)] = random.integer(256)
        const cut = field.wire === 2 && random.integer(3) === 0
        const { number, wire } = field
        return [{ number, wire, value: cut ? value.subarray(0, random.integer(value.length + 1)) : value }]
      }
    }
  })
}
