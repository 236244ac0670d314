/** Marks of axes at round numbers. */

/**
 * At most about seven marks, each 1, 2 or 5 times a power of ten apart.
 *
 * @param whole marks at whole numbers only, where an axis counts something
 */
export function linearTicks(low: number, high: number, whole: boolean): number[] {
  const rough = Math.max((high - low) / 6, whole ? 1 : 0)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const ticks: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)))
  return ticks
}

/** Marks at powers of ten, and at 2 and 5 times these where the range is small. */
export function logTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const factor of high / low > 100 ? [1] : [1, 2, 5]) {
      const tick = factor * 10 ** power
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick)
    }
  return ticks
}
