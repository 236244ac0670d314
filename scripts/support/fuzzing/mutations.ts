/** Changes of files that keep their structure, so that readers get far before they notice. All are keyed by the stream. */
import type { RandomStream } from '../../../src/model.ts'

/** What `JSON.parse` returns. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export const pick = <T>(random: RandomStream, list: readonly T[]): T => list[random.integer(list.length)]

const deep = (depth: number): Json => (depth === 0 ? 0 : [deep(depth - 1)])

/** Values that readers are known to stumble over. */
const nasty: readonly Json[] = [
  ...[null, true, false, 0, -1, 1, 2, 3, 7, 0.5, -0.5, 255, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 1e9],
  ...[2 ** 53, -(2 ** 53), 1e300, -1e300, '', ' ', '0', '-1', '1e9', 'NaN', 'Infinity', 'null', '__proto__', '\0'],
  ...['../../../../dev/zero', '/dev/zero', '/dev/stdin', 'C:\\x', 'a'.repeat(70_000), '\ud800', '𝔳\u202e', '#', '"'],
  ...[[], {}, [[]], [1, 2, 3], [1e9, 1e9], [-1], [0.5, 'x', null], { __proto__: 1 }, deep(200)],
]

/** Positions of all values below `value`, as paths. */
function pathsOf(value: Json, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: (readonly [string | number, Json])[] = Array.isArray(value)
    ? value.map((item: Json, i) => [i, item] as const)
    : Object.entries(value)
  return [path, ...entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))]
}

function changedAt(value: Json, path: readonly (string | number)[], change: (old: Json) => Json | undefined): Json {
  if (path.length === 0) return change(value) ?? null
  const [key, ...rest] = path
  if (Array.isArray(value)) {
    return value.flatMap((item: Json, i) => {
      if (i !== key) return [item]
      const changed = rest.length === 0 ? change(item) : changedAt(item, rest, change)
      return changed === undefined ? [] : [changed]
    })
  }
  const entries = Object.entries(value as Record<string, Json>).flatMap(([name, item]): [string, Json][] => {
    if (name !== key) return [[name, item]]
    const changed = rest.length === 0 ? change(item) : changedAt(item, rest, change)
    return changed === undefined ? [] : [[name, changed]]
  })
  return Object.fromEntries(entries)
}

/** Replaces, removes, scales or adds one to three values anywhere in a document. */
export function mutateJson(random: RandomStream, document: Json): Json {
  let changed = document
  for (let i = 0; i <= random.integer(3); i++) {
    const path = pick(random, pathsOf(changed))
    const kind = random.integer(6)
    changed = changedAt(changed, path, (old) => {
      if (kind === 0) return undefined
      if (kind === 1 && typeof old === 'number') return old * pick(random, [-1, 2, 1000, 1e9, 0.5]) + random.integer(2)
      if (kind === 2 && Array.isArray(old)) return [...old, ...old, pick(random, nasty)]
      if (kind === 3 && typeof old === 'object' && old !== null && !Array.isArray(old)) {
        return { ...old, [`new ${random.integer(9)}`]: pick(random, nasty) }
      }
      return pick(random, nasty)
    })
  }
  return changed
}

/** Flips, cuts, repeats, inserts or overwrites bytes; lengths and counts are hit more often than by chance. */
export function mutateBytes(random: RandomStream, bytes: Uint8Array, interesting = bytes.length): Uint8Array {
  const changed = Buffer.from(bytes)
  const at = (room = 0): number => random.integer(Math.max(1, Math.min(interesting, changed.length) - room))
  switch (random.integer(6)) {
    case 0:
      return changed.subarray(0, at())
    case 1: {
      const [from, length] = [at(), 1 + random.integer(64)]
      return Buffer.concat([
        changed.subarray(0, from + length),
        changed.subarray(from, from + length),
        changed.subarray(from + length),
      ])
    }
    case 2:
      if (changed.length >= 8) changed.writeBigUInt64LE(pick(random, [0n, 1n, 2n ** 31n, 2n ** 40n, 2n ** 63n]), at(8))
      return changed
    case 3:
      return Buffer.concat([changed.subarray(0, at()), Buffer.alloc(1 + random.integer(300), random.integer(256))])
    default:
      for (let i = 0; i <= random.integer(8); i++) if (changed.length > 0) changed[at()] = random.integer(256)
      return changed
  }
}

const fragments = [
  ...[',', ';', '\t', '|', '"', "'", '""', '\r', '\n', '\r\n', '\0', '\uFEFF', '#', ' ', '=', ':', '- ', '&a ', '*a'],
  ...['-1', '1e9', 'NaN', 'inf', '99999999999999999999', '0x10', 'ü', '\ud83d\ude00', '{', '}', '[', ']', '!!binary x'],
  ...['../../../../dev/zero', '__proto__', 'a'.repeat(5000), '<<: *a'],
]

/** Changes of a text: cells, separators, quotes, line ends, encodings. */
export function mutateText(random: RandomStream, text: string): Uint8Array {
  let changed = text
  for (let i = 0; i <= random.integer(4); i++) {
    const at = random.integer(changed.length + 1)
    const length = pick(random, [0, 0, 1, 1, 2, 5, 20])
    const lines = changed.split('\n')
    switch (random.integer(6)) {
      case 0:
        changed = changed.slice(0, at) + changed.slice(at + length)
        break
      case 1:
        changed = [...lines, pick(random, lines)].join('\n')
        break
      case 2:
        changed = lines.filter((_, line) => line !== at % lines.length).join('\n')
        break
      case 3:
        changed = changed.replaceAll(pick(random, [',', ' ', '\n', ':']), pick(random, [';', '\t', ',', '\r\n', '  ']))
        break
      default:
        changed = changed.slice(0, at) + pick(random, fragments) + changed.slice(at + length)
    }
  }
  const encoded = Buffer.from(changed, pick(random, ['utf8', 'utf8', 'utf8', 'utf16le', 'latin1'] as const))
  return random.integer(8) === 0 ? mutateBytes(random, encoded) : encoded
}
