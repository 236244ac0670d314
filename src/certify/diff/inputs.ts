/** Which inputs of two certificates are the same: by content where both record it, else by name. */
import { invalidCertificate } from '../verify/read-files.ts'
import type { ReadCertificate, ReadSamples } from '../verify/schema.ts'

/** Numbers of one input in the lists of both certificates. */
export interface InputPair {
  readonly before: number
  readonly after: number
  /** Null where inputs are matched by name. */
  readonly sha256: string | null
}

interface Inputs {
  readonly file: string
  readonly certificate: ReadCertificate
  readonly inputs: ReadSamples | null
}

interface NamedInput {
  readonly id: string
  readonly key: string
  readonly sha256: string | null
}

/**
 * Inputs of one content are one input, whatever they are called. Where several have one content, those of one name are paired first.
 *
 * @throws VideoMaeError `CERTIFICATE_INVALID` for a run that lists other inputs than the record or than another run
 */
export function pairInputs(a: Inputs, b: Inputs) {
  const byContent = a.inputs !== null && b.inputs !== null
  const [before, after] = [namedInputs(a, byContent), namedInputs(b, byContent)]
  const byKey = new Map<string, number[]>()
  for (const [t, { key }] of after.entries()) byKey.set(key, [...(byKey.get(key) ?? []), t])
  const pairs: InputPair[] = []
  const onlyBefore: string[] = []
  for (const [t, { id, key, sha256 }] of before.entries()) {
    const same = byKey.get(key)
    if (same === undefined) onlyBefore.push(id)
    else pairs.push({ before: t, after: same.find((other) => after[other].id === id) ?? same[0], sha256 })
  }
  const keys = new Set(before.map(({ key }) => key))
  const onlyAfter = after.filter(({ key }) => !keys.has(key)).map(({ id }) => id)
  return { matchedBy: byContent ? ('content' as const) : ('name' as const), pairs, onlyBefore, onlyAfter }
}

/** Inputs by the number that all runs have in common. */
function namedInputs({ file, certificate, inputs }: Inputs, byContent: boolean): NamedInput[] {
  const lists = certificate.runs.flatMap(({ inputs: listed }) => (listed === null ? [] : [listed]))
  const [first] = lists
  if (first === undefined) return []
  const ids = inputs?.samples.map(({ id }) => id) ?? first.map(({ id }) => id)
  for (const listed of lists) {
    const other = ids.findIndex((id, t) => listed[t]?.id !== id)
    if (other >= 0 || ids.length !== listed.length)
      throw invalidCertificate(
        file,
        inputs === null ? 'the same inputs in every run' : 'the inputs of its record in every run',
        `input ${other < 0 ? ids.length : other} is different`,
      )
  }
  return ids.map((id, t) => {
    const sample = byContent ? inputs?.samples[t] : undefined
    if (sample === undefined) return { id, key: id, sha256: null }
    return { id, key: JSON.stringify([sample.sha256, sample.part ?? '']), sha256: sample.sha256 }
  })
}
