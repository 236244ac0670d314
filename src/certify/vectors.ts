/**
 * Checks the rules against a file of test vectors (form: docs/certificate-reference.md). A section this program does not
 * know is a mismatch, never skipped in silence.
 */
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { bucketOfContent, bucketOfPixelSum, sha256 } from './ensemble/hash.ts'
import { type AddSection, type Comparison, checkRuleVectors, ruleSections } from './rules/vectors.ts'

/** How many test vectors of a section were checked, and which failed. */
export interface SectionResult {
  /** Name of the section in the file. */
  readonly name: string
  /** Entries of the section. */
  readonly entries: number
  /** Values that were compared. */
  readonly checks: number
  /** Values that differ, one sentence each. */
  readonly mismatches: readonly string[]
}

const count = z.number().int().nonnegative()

const vectorsSchema = z.strictObject({
  meta: z.unknown().optional(),
  ...ruleSections,
  suggested_hash_sha256_first8_big_endian_mod_k: z
    .array(z.object({ utf8: z.string(), sha256: z.string(), first8_be: z.string(), mod: z.record(z.string(), count) }))
    .optional(),
  reference_hash_pixel_sum: z.array(z.object({ pixels: z.array(count), mod: z.record(z.string(), count) })).optional(),
})

class Section implements Comparison {
  readonly name: string
  entries = 0
  checks = 0
  readonly mismatches: string[] = []

  constructor(name: string) {
    this.name = name
  }

  entry(id: string, expected: Readonly<Record<string, unknown>>, actual: Readonly<Record<string, unknown>>): void {
    this.entries++
    for (const key of Object.keys(expected)) {
      this.checks++
      const [want, got] = [JSON.stringify(expected[key]), JSON.stringify(actual[key])]
      if (want !== got) this.mismatches.push(`${id} ${key}: expected ${want}, computed ${got}`)
    }
  }
}

/**
 * Recomputes test vectors of another implementation.
 *
 * @param file the parsed JSON
 * @returns one result for each section that the file has
 * @throws VideoMaeError `VECTORS_INVALID` when the file is not of this form
 */
export function checkVectors(file: unknown): SectionResult[] {
  const parsed = vectorsSchema.safeParse(file)
  if (!parsed.success) {
    throw new VideoMaeError(`Expected a file of certificate vectors: ${z.prettifyError(parsed.error)}`, {
      code: 'VECTORS_INVALID',
      exit: 'data',
      hint: 'See docs/certificates.md for the format; unknown sections and missing fields are errors.',
    })
  }
  const vectors = parsed.data
  const sections: Section[] = []
  function section<T>(name: string, entries: readonly T[] | undefined, check: (entry: T, s: Section) => void): void {
    if (entries === undefined) return
    const s = new Section(name)
    for (const entry of entries) check(entry, s)
    if (s.checks === 0) s.mismatches.push('the section contains nothing to check')
    sections.push(s)
  }

  checkRuleVectors(vectors, section)
  checkHashes(vectors, section)
  return sections
}

type Vectors = z.infer<typeof vectorsSchema>

/** The hashes that assign samples. */
function checkHashes(vectors: Vectors, section: AddSection): void {
  section(
    'suggested_hash_sha256_first8_big_endian_mod_k',
    vectors.suggested_hash_sha256_first8_big_endian_mod_k,
    (e, s) => {
      const mod = Object.fromEntries(Object.keys(e.mod).map((k) => [k, bucketOfContent(e.utf8, Number(k))]))
      const first8 = BigInt(`0x${sha256(e.utf8).slice(0, 16)}`).toString()
      s.entry(
        JSON.stringify(e.utf8),
        { sha256: e.sha256, first8: e.first8_be, mod: e.mod },
        { sha256: sha256(e.utf8), first8, mod },
      )
    },
  )
  section('reference_hash_pixel_sum', vectors.reference_hash_pixel_sum, (e, s) => {
    const mod = Object.fromEntries(Object.keys(e.mod).map((k) => [k, bucketOfPixelSum(e.pixels, Number(k))]))
    s.entry(JSON.stringify(e.pixels), { mod: e.mod }, { mod })
  })
}
