/** What a verification found: where a certificate says something else than follows from its votes. */

export interface Difference {
  /** Name of the run, `DPA+ROE K=50`; null where it is about the whole file. */
  readonly run: string | null
  /** Id of the input; null where it is about none. */
  readonly input: string | null
  /** Where it is in the file, `runs[0].inputs[3].radius`. */
  readonly field: string
  /** The value in the certificate. */
  readonly stated: unknown
  /** The value that follows from the files. */
  readonly recomputed: unknown
}

/** Differences listed one by one; those beyond are counted. */
const mostListed = 1000

/** Collects differences of one file. */
export class Differences {
  readonly listed: Difference[] = []
  /** All of them. */
  found = 0
  /** Values that were compared. */
  compared = 0

  /**
   * Compares two values as JSON shows them, objects and arrays member by member, and notes each that differs.
   *
   * @param about run and input that the field belongs to
   */
  compare(
    field: string,
    stated: unknown,
    recomputed: unknown,
    about: Partial<Pick<Difference, 'run' | 'input'>> = {},
  ): void {
    if (isObject(stated) && isObject(recomputed) && Array.isArray(stated) === Array.isArray(recomputed)) {
      const [a, b] = [stated as Record<string, unknown>, recomputed as Record<string, unknown>]
      const keys = new Set([...Object.keys(a), ...Object.keys(b)])
      const list = Array.isArray(stated)
      for (const key of keys) this.compare(list ? `${field}[${key}]` : `${field}.${key}`, a[key], b[key], about)
      if (keys.size === 0) this.compared++
      return
    }
    this.compared++
    if (Object.is(stated, recomputed) || (stated === 0 && recomputed === 0)) return
    this.found++
    if (this.listed.length < mostListed)
      this.listed.push({
        run: about.run ?? null,
        input: about.input ?? null,
        field,
        stated: stated ?? null,
        recomputed: recomputed ?? null,
      })
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** One line for people. */
export function describeDifference({ run, input, field, stated, recomputed }: Difference): string {
  const where = [...(run === null ? [] : [run]), ...(input === null ? [] : [`input ${input}`]), field].join(', ')
  return `${where}: stated ${shown(stated)}, recomputed ${shown(recomputed)}`
}

/** No longer than a line, whatever a stranger has written. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`
}
