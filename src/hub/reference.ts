/** How a user names weights on the hub: OWNER/NAME, with `@REVISION` for a branch, a tag or a commit. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { invalidArgument } from '../core/errors.ts'
import { nearestNames } from '../core/nearest-key.ts'
import { hubPrefix } from './prefix.ts'

/** Weights on the hub. */
export interface HubReference {
  /** `OWNER/NAME`. */
  readonly repository: string
  /** Branch, tag or commit. */
  readonly revision: string
  /** What this program knows of them; null: nothing. */
  readonly known: KnownWeights | null
}

const knownSchema = z.strictObject({
  name: z.string(),
  repository: z.string(),
  /** What they are: an encoder with its decoder, an encoder alone, or a classifier. */
  kind: z.enum(['pretrained', 'encoder', 'classifier']),
  size: z.enum(['small', 'base', 'large', 'huge', 'giant']),
  /** What they were trained on. */
  data: z.string(),
  license: z.string(),
  /** Millions; weights are four bytes each. */
  parameters: z.number().positive(),
  /** Of model.safetensors. Null: not known here; then the digest that the hub names is checked alone. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  bytes: z.int().positive().nullable(),
})

/** Published weights that can be had by name. */
export type KnownWeights = z.output<typeof knownSchema>

/**
 * The published weights that can be had by name: those of `models/weights.json`.
 *
 * @example
 * ```ts
 * import { knownWeights } from 'videomae/jobs'
 *
 * const small = knownWeights().filter(({ size }) => size === 'small')
 * small.every(({ repository }) => repository.includes('/')) // => true
 * ```
 */
export function knownWeights(): readonly KnownWeights[] {
  const text = readFileSync(new URL('../../models/weights.json', import.meta.url), 'utf8')
  return z.strictObject({ about: z.string(), weights: z.array(knownSchema) }).parse(JSON.parse(text)).weights
}

const part = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}'
const pattern = new RegExp(`^(?:(${part})/)?(${part})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,199}))?$`)

/**
 * @param text `OWNER/NAME`, or a name of `models/weights.json`; with or without `hf:` before it and `@REVISION` behind it
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function parseReference(text: string, list: readonly KnownWeights[] = knownWeights()): HubReference {
  const [match, owner, name, revision = 'main'] = pattern.exec(text.replace(hubPrefix, '')) ?? []
  const repository = `${owner}/${name}`
  const known = list.find((each) => (owner === undefined ? each.name === name : each.repository === repository))
  const unsafe = match === undefined || text.includes('..')
  if (unsafe || (owner === undefined && known === undefined)) {
    const names = nearestNames(
      name ?? text,
      list.map((each) => each.name),
      3,
    )
    const hint = `Known names: ${names.join(', ')}, ...; \`videomae get\` lists all. Write other names as on the hub: OWNER/NAME.`
    throw invalidArgument('the weights', 'OWNER/NAME or a known name', text, hint)
  }
  return { repository: known?.repository ?? repository, revision, known: known ?? null }
}
