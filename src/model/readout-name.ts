/** What a head reads of the tokens of a clip, by name: a fixed function of the tokens of this clip alone. */
import { VideoMaeError } from '../core/errors.ts'
import { nearestKey } from '../core/nearest-key.ts'

/**
 * Of tokens z[t, y, x], each a vector of D values:
 *
 * - `mean`: the mean over all tokens, [D].
 * - `grid`: the mean over time, averaged in a grid of G x G cells, [G * G * D].
 * - `motion`: the mean over time of |z[t + 1] - z[t]|, averaged in the cells, [G * G * D].
 * - `motion-rms`: the root of the mean of (z[t + 1] - z[t])^2 over time and the tokens of a cell, [G * G * D].
 *
 * Values are ordered by cell row, cell column, value of the token.
 */
export const readoutKinds = ['mean', 'grid', 'motion', 'motion-rms'] as const
export type ReadoutKind = (typeof readoutKinds)[number]

/** Cells on a side where a name does not say it. */
const defaultCells = 3
const mostCells = 1024

/** A readout taken apart. */
export interface Readout {
  readonly kind: ReadoutKind
  /** Cells on each side, G; 1 for `mean`. */
  readonly cells: number
}

/** How a readout may be written, for messages and help. */
export const readoutSyntax = `${readoutKinds.join(', ')}, with :G for a grid of G x G cells (default ${defaultCells})`

/**
 * The full name of a readout: `motion` is `motion:3`. Equal functions have equal names; `mean` has no grid.
 *
 * @param text `mean`, or a kind with or without its grid, such as `motion` or `motion:2`
 * @throws VideoMaeError `READOUT_UNKNOWN`
 */
export function readoutName(text: string): string {
  const { kind, cells } = parseReadout(text)
  return kind === 'mean' ? kind : `${kind}:${cells}`
}

/** @throws VideoMaeError `READOUT_UNKNOWN` */
export function parseReadout(text: string): Readout {
  const match = /^([a-z-]+)(?::([1-9]\d{0,3}))?$/.exec(text)
  const kind = readoutKinds.find((name) => name === match?.[1])
  const cells = match?.[2] === undefined ? defaultCells : Number(match[2])
  if (kind === undefined || cells > mostCells) throw unknownReadout(text, readoutSyntax)
  if (kind !== 'mean') return { kind, cells }
  if (match?.[2] !== undefined) throw unknownReadout(text, 'mean without a grid')
  return { kind, cells: 1 }
}

function unknownReadout(text: string, expected: string): VideoMaeError {
  const nearest = nearestKey(text.split(':')[0], readoutKinds)
  return new VideoMaeError(`Expected a readout (${expected}) but received ${JSON.stringify(text)}.`, {
    code: 'READOUT_UNKNOWN',
    exit: 'usage',
    hint:
      nearest === null || text.startsWith('mean')
        ? 'Readouts are described in docs/model.md.'
        : `Did you mean ${nearest}?`,
  })
}
