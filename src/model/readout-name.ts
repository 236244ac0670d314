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
 * Values are ordered by cell row, cell column, value of the token. Several readouts with `+` between them are side by side.
 */
export const readoutKinds = ['mean', 'grid', 'motion', 'motion-rms'] as const
/** Name of how tokens become one row of features. */
export type ReadoutKind = (typeof readoutKinds)[number]

/** Cells on a side where a name does not say it. */
const defaultCells = 3
const mostCells = 1024

/** Stands for the best readout by training videos alone; no classifier, file or certificate ever records it. */
export const automaticReadout = 'auto'

/** A readout taken apart. */
export interface Readout {
  readonly kind: ReadoutKind
  /** Cells on each side, G; 1 for `mean`. */
  readonly cells: number
}

/** How a readout may be written, for messages and help. */
export const readoutSyntax = `${readoutKinds.join(', ')}, with :G for a grid of G x G cells (default ${defaultCells}); several: mean+motion`

/**
 * The full name of a readout: `motion` is `motion:3`. `mean` has no grid.
 *
 * @param text `mean`, or a kind with or without its grid, such as `motion` or `motion:2`; several with `+` between them
 * @param others names that the caller knows besides, each alone; for messages
 * @throws VideoMaeError `READOUT_UNKNOWN`, also where one is there twice
 */
export function readoutName(text: string, others: readonly string[] = []): string {
  return parseReadouts(text, others).map(nameOf).join('+')
}

/**
 * @param others names that the caller knows besides, for messages
 * @throws VideoMaeError `READOUT_UNKNOWN`, also where one is there twice
 */
export function parseReadouts(text: string, others: readonly string[] = []): readonly Readout[] {
  const readouts = text.split('+').map((part) => parseReadout(part, text, others))
  if (new Set(readouts.map(nameOf)).size < readouts.length) throw unknownReadout(text, 'each readout once')
  return readouts
}

/** The name of one readout. */
export function nameOf({ kind, cells }: Readout): string {
  return kind === 'mean' ? kind : `${kind}:${cells}`
}

/** @param whole what `part` is a part of, for the message */
function parseReadout(part: string, whole: string, others: readonly string[]): Readout {
  const match = /^([a-z-]+)(?::([1-9]\d{0,3}))?$/.exec(part)
  const kind = readoutKinds.find((name) => name === match?.[1])
  const cells = match?.[2] === undefined ? defaultCells : Number(match[2])
  if (part === automaticReadout) throw automaticElsewhere()
  if (kind === undefined || cells > mostCells)
    throw unknownReadout(whole, [readoutSyntax, ...others].join('; or '), others)
  if (kind !== 'mean') return { kind, cells }
  if (match?.[2] !== undefined) throw unknownReadout(whole, 'mean without a grid')
  return { kind, cells: 1 }
}

function automaticElsewhere(): VideoMaeError {
  return new VideoMaeError(`Expected a readout (${readoutSyntax}) but received "${automaticReadout}".`, {
    code: 'READOUT_UNKNOWN',
    exit: 'usage',
    hint: 'Only `finetune` chooses a readout, on its training videos. Use the readout that it chose on trusted videos.',
  })
}

function unknownReadout(text: string, expected: string, others: readonly string[] = []): VideoMaeError {
  const nearest = nearestKey(text.split(':')[0], [...readoutKinds, ...others])
  return new VideoMaeError(`Expected a readout (${expected}) but received ${JSON.stringify(text)}.`, {
    code: 'READOUT_UNKNOWN',
    exit: 'usage',
    hint:
      nearest === null || text.startsWith('mean')
        ? 'Readouts are described in docs/model.md.'
        : `Did you mean ${nearest}?`,
  })
}
