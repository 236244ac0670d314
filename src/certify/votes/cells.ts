/** What the cells of a file of votes mean: classes, abstentions, scores, true classes. */
import type { ReadOptions } from './reading.ts'

/** What programs write for a value that is missing: spreadsheets, R, pandas, databases. */
const missing: ReadonlySet<string> = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?', '<na>', '-'])

export function isMissingCell(cell: string): boolean {
  return missing.has(cell.trim().toLowerCase())
}

const plainNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const minusInfinity = /^-inf(?:inity)?$/i
const plusInfinity = /^\+?inf(?:inity)?$/i

/** A number as it is usually written; no hexadecimal, no thousands. Undefined for anything else. */
export function parseNumber(cell: string): number | undefined {
  const text = cell.trim()
  if (plainNumber.test(text)) return Number(text)
  if (minusInfinity.test(text)) return Number.NEGATIVE_INFINITY
  return plusInfinity.test(text) ? Number.POSITIVE_INFINITY : undefined
}

const wholeNumber = /^([+-]?\d+)(?:\.(\d*))?$/

/** Whether a double holds this number, where it is written as a whole number or is above 2^53. Others are rounded as usual. */
function isExact(text: string, value: number): boolean {
  const [, whole, fraction = ''] = wholeNumber.exec(text) ?? []
  if (whole === undefined || !Number.isFinite(value) || Math.abs(value) < 2 ** 53) return true
  return /^0*$/.test(fraction) && BigInt(whole) === BigInt(value)
}

/** Whether a number other than 0 is too small for a double, which makes it 0: scores that differ would tie. */
function vanishes(text: string, value: number): boolean {
  return value === 0 && /[1-9]/.test(text.split(/e/i)[0])
}

const notExact =
  'a whole number that a 64-bit float cannot represent: it would be rounded, and the order of scores could change'

/** A vote that says nothing. */
export const abstention = -1

export type Parsed = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly problem: string }

const refused = (problem: string): Parsed => ({ ok: false, problem })

/** Reads classes: by name where there are names, by number otherwise. */
export class ClassReader {
  private readonly classes: number
  private readonly first: number
  private readonly byName: ReadonlyMap<string, number>
  private readonly names: readonly string[]
  /** Names that are numbers but not their own: a number is a name then, and no index. */
  readonly namesOnly: boolean
  /** Whether a cell was read as a name that is not the number of its class, and whether one was read as a number. */
  private asName = false
  private asNumber = false
  /** With `namesOnly`: whether each cell so far could have been a number, and a cell that would be another class then. */
  private couldBeNumbers = true
  private other: { readonly name: number; readonly number: number } | null = null

  constructor({
    classes,
    classNames = [],
    firstClass = 0,
  }: Pick<ReadOptions, 'classes' | 'classNames' | 'firstClass'>) {
    this.classes = classes
    this.first = firstClass
    this.names = classNames
    // Accents are composed, whatever system wrote them.
    this.byName = new Map(classNames.map((name, c) => [name.normalize('NFC'), c]))
    this.namesOnly = classNames.some((name, c) => {
      const number = parseNumber(name)
      return number !== undefined && number !== c + firstClass
    })
  }

  /** @returns class index from 0, or `abstention` */
  vote(cell: number | string): Parsed {
    if (typeof cell === 'number' && this.byName.size === 0) {
      const index = cell === abstention ? abstention : cell - this.first
      // Arrays have millions of votes: no text is made of them.
      if (Number.isInteger(cell) && index < this.classes && (index >= 0 || cell === abstention)) {
        if (cell !== abstention) this.asNumber = true
        return { ok: true, value: index }
      }
    }
    if (typeof cell === 'string' && isMissingCell(cell) && !this.byName.has(cell.trim()))
      return refused('is empty: write -1 for an abstention')
    const parsed = this.read(cell)
    return parsed ?? refused(`is ${shown(cell)}, which is not a class: ${this.range()}, or -1 for an abstention`)
  }

  /** @returns class index from 0, or null where the true class is not known */
  label(cell: string): Parsed | null {
    if (isMissingCell(cell) && !this.byName.has(cell.trim())) return null
    const parsed = this.read(cell)
    if (parsed?.ok === true && parsed.value === abstention)
      return refused('is -1: leave the cell of an unknown true class empty')
    return parsed ?? refused(`is ${shown(cell)}, which is not a class: ${this.range()}`)
  }

  /** What the cells were that have been read; undefined before the first class. */
  get cells(): 'names' | 'numbers' | 'both' | undefined {
    if (this.asName) return this.asNumber ? 'both' : 'names'
    return this.asNumber ? 'numbers' : undefined
  }

  /** What is worth a look where all cells could be numbers and would be other classes then. */
  get doubt(): string | null {
    if (!this.couldBeNumbers || this.other === null) return null
    const { name, number } = this.other
    const cell = this.names[name]
    return `cells are names of the given classes: ${cell} is class ${cell}. As numbers counted from ${this.first} they would be other classes, and ${cell} would be class ${this.names[number]}. If they are such numbers, give the number of classes instead of names`
  }

  private read(cell: number | string): Parsed | undefined {
    const text = String(cell).trim().normalize('NFC')
    const number = typeof cell === 'number' ? cell : parseNumber(text)
    const whole = number === undefined || !Number.isInteger(number) ? undefined : number
    // `2.0`, as pandas writes the name 2 in a column with gaps.
    const named = this.byName.get(text) ?? (whole === undefined ? undefined : this.byName.get(String(whole)))
    if (named !== undefined) {
      this.note(named, whole)
      return { ok: true, value: named }
    }
    if (whole === undefined) return undefined
    if (whole === abstention) return { ok: true, value: abstention }
    if (this.namesOnly || !this.isIndex(whole)) return undefined
    this.asNumber = true
    return { ok: true, value: whole - this.first }
  }

  private isIndex(number: number): boolean {
    return number >= this.first && number < this.first + this.classes
  }

  /** @param number what the cell is as a number */
  private note(named: number, number: number | undefined): void {
    if (!this.namesOnly && number !== undefined && number - this.first === named) this.asNumber = true
    else this.asName = true
    if (number === undefined || !this.isIndex(number)) this.couldBeNumbers = false
    else if (number - this.first !== named) this.other ??= { name: named, number: number - this.first }
  }

  private range(): string {
    const names = [...this.byName.keys()]
    const few = names.length <= 8 ? names.join(', ') : `${names.slice(0, 6).join(', ')}, ...`
    const numbers = `${this.first} to ${this.first + this.classes - 1}`
    if (this.namesOnly) return few
    return names.length === 0 ? numbers : `${few} (or ${numbers})`
  }
}

function shown(cell: number | string): string {
  return typeof cell === 'string' ? JSON.stringify(cell) : String(cell)
}

/** How a file writes the decimal mark; a comma only where it does not separate cells. */
export class ScoreReader {
  private mark: '.' | ',' | null
  private readonly comma: boolean
  /** A number has shown that its comma is no separator of thousands. */
  private proven: boolean

  /** @param separator of cells */
  constructor(separator: string | null) {
    this.comma = separator !== null && separator !== ','
    this.mark = null
    this.proven = false
  }

  /** Whether numbers had a comma, and all of them may be thousands: `1,234`. */
  get mayBeThousands(): boolean {
    return this.mark === ',' && !this.proven
  }

  /** A finite number, or minus infinity. */
  score(cell: number | string): Parsed {
    if (typeof cell === 'number') return checked(cell)
    const text = cell.trim()
    if (isMissingCell(text)) return refused('is empty')
    if (this.comma && /^[+-]?\d*,\d+(?:e[+-]?\d+)?$/i.test(text)) {
      if (this.mark === '.') return refused(`is ${shown(cell)}, with a comma, while other numbers have a point`)
      this.mark = ','
      if (!/^[+-]?[1-9]\d{0,2},\d{3}$/.test(text)) this.proven = true
      return this.exact(text.replace(',', '.'), text)
    }
    const number = parseNumber(text)
    if (number === undefined) return refused(`is ${shown(cell)}, which is not a number`)
    if (text.includes('.')) {
      if (this.mark === ',') return refused(`is ${shown(cell)}, with a point, while other numbers have a comma`)
      this.mark = '.'
    }
    return Number.isFinite(number) ? this.exact(text, text) : checked(number)
  }

  /** @param pointed the number with a decimal point */
  private exact(pointed: string, text: string): Parsed {
    const number = Number(pointed)
    if (!isExact(pointed, number)) return refused(`is ${text}, ${notExact}`)
    if (vanishes(pointed, number)) return refused(`is ${text}, which a 64-bit float cannot distinguish from 0`)
    return checked(number)
  }
}

function checked(value: number): Parsed {
  if (Number.isNaN(value)) return refused('is NaN, which cannot be ordered')
  if (value === Number.POSITIVE_INFINITY)
    return refused('is infinite: scores must be finite, or -inf for an impossible class')
  return { ok: true, value }
}
