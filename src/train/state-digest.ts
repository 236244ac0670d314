/** The trainer state says where a run continues, and with which data; a manifest says what weights were trained on: no other file could tell that it has changed. */
import { createHash } from 'node:crypto'

/** Key of `trainer-state.json` with the SHA-256 of all others. States of earlier versions have none. */
export const stateDigestKey = 'digest'

/** @param state without its digest */
export function digestOfState(state: object): string {
  return createHash('sha256').update(JSON.stringify(state)).digest('hex')
}

/**
 * What is wrong with a state that has another digest than it names; null where nothing is.
 *
 * @param state as it was parsed
 */
export function changedSince(state: unknown): string | null {
  if (typeof state !== 'object' || state === null || !Object.hasOwn(state, stateDigestKey)) return null
  const { [stateDigestKey]: written, ...others } = state as Record<string, unknown>
  const found = digestOfState(others)
  if (found === written) return null
  return `expected the content that was written, with SHA-256 ${JSON.stringify(written).slice(0, 80)}, but received ${found} (to change it on purpose, remove its key ${stateDigestKey})`
}
