import type { Precision } from '../engine/engine.ts'

/** What to do about a number that is not finite: in float16 the precision may be the reason. */
export function nonFiniteHint(hint: string, precision: Precision | undefined): string {
  if (precision !== 'float16') return hint
  return `${hint} The largest float16 is 65504, and larger values become infinite: a new run with engine.precision=float32 has no such limit.`
}
