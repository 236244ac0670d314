import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'

/** What a duration may be counted in. */
export const durationUnits = ['steps', 'epochs', 'clips'] as const
export type DurationUnit = (typeof durationUnits)[number]

/**
 * A length of training. `steps` are optimizer updates, `epochs` passes over the videos (so with samplesPerClip = 4 one
 * epoch shows the model four clips of every video), `clips` clips shown to the model, repeats included.
 */
export interface Duration {
  readonly unit: DurationUnit
  readonly amount: number
}

const pattern = /^\s*(\d[\d_]*(?:\.\d+)?(?:e\d+)?)\s*(steps?|epochs?|clips?)\s*$/

/**
 * Reads `800 epochs`, `20_000 clips`, `1 step`.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function parseDuration(text: string, name = 'duration'): Duration {
  const match = pattern.exec(text)
  if (match === null) throw invalidArgument(name, 'a duration such as "800 epochs", "20000 clips" or "500 steps"', text)
  const amount = Number(match[1]!.replaceAll('_', ''))
  const word = match[2]!
  const unit = durationUnits.find((candidate) => candidate.startsWith(word))!
  return { unit, amount }
}

/** The text form, `800 epochs`. */
export function formatDuration(duration: Duration): string {
  return `${duration.amount} ${duration.unit}`
}

/** How a run counts: what turns durations into steps. */
export interface StepRate {
  /** Clips shown to the model per optimizer step, repeats included. */
  readonly clipsPerStep: number
  /** Optimizer steps of one pass over the videos; not whole where an epoch ends inside a step. Null: not known yet. */
  readonly stepsPerEpoch: number | null
}

/**
 * Optimizer steps of a duration, rounded down, at least 1 unless the amount is 0. The one function where durations become
 * steps.
 *
 * @throws VideoMaeError `DURATION_UNKNOWN` for epochs while the number of videos is not known
 */
export function durationSteps(duration: Duration, rate: StepRate): number {
  if (duration.amount === 0) return 0
  const exact = exactSteps(duration, rate)
  return Math.max(1, Math.floor(exact + 1e-9)) // 3 * (1/3) epochs is a whole step
}

function exactSteps({ unit, amount }: Duration, rate: StepRate): number {
  if (unit === 'steps') return amount
  if (unit === 'clips') return amount / rate.clipsPerStep
  if (rate.stepsPerEpoch === null) {
    throw new VideoMaeError(`Expected the number of videos to turn ${amount} epochs into steps, but it is not known.`, {
      code: 'DURATION_UNKNOWN',
      exit: 'usage',
      hint: 'Name the data, or give the duration in steps or clips.',
    })
  }
  return amount * rate.stepsPerEpoch
}

const amount = z.number().nonnegative()
const expected = 'Expected a duration such as "800 epochs", "20000 clips", "500 steps" or {epochs: 800}'

/** `800 epochs`, or `{ epochs: 800 }`, exactly one unit; or a `Duration`, so that a checked configuration can be checked again. */
export const durationSchema = z
  .union(
    [
      z.string().regex(pattern, { error: expected }),
      z.strictObject({ steps: amount }),
      z.strictObject({ epochs: amount }),
      z.strictObject({ clips: amount }),
      z.strictObject({ unit: z.enum(durationUnits), amount }),
    ],
    { error: expected },
  )
  .transform((value): Duration => {
    if (typeof value === 'string') return parseDuration(value)
    if ('unit' in value) return value
    for (const unit of durationUnits) {
      const given = (value as Partial<Record<DurationUnit, number>>)[unit]
      if (given !== undefined) return { unit, amount: given }
    }
    throw invalidArgument('duration', 'one of steps, epochs, clips', Object.keys(value).join(', '))
  })
