/** Where decoded numbers are put, one behind the other. An array is one; a column takes 4 or 8 bytes a number. */
export interface NumberSink<Value> {
  push(value: Value): unknown
  /** Announces that `more` numbers follow. */
  reserve?(more: number): void
}

/**
 * Numbers of one width whose count is not known before they are read. JavaScript arrays of bigints need some 50 bytes a
 * number, so a file of one-byte numbers would take fifty times its size.
 */
abstract class Column<Value, Data extends BigInt64Array | Float32Array> implements NumberSink<Value> {
  protected data: Data
  protected used = 0

  protected constructor(empty: Data) {
    this.data = empty
  }

  protected abstract allocate(length: number): Data

  get length(): number {
    return this.used
  }

  reserve(more: number): void {
    if (this.used + more <= this.data.length) return
    const larger = this.allocate(Math.max(this.used + more, 2 * this.used))
    larger.set(this.data.subarray(0, this.used) as never)
    this.data = larger
  }

  push(value: Value): void {
    this.reserve(1)
    this.data[this.used++] = value as never
  }

  /** The numbers so far; no copy where there is no room left behind them. */
  values(): Data {
    return (this.used === this.data.length ? this.data : this.data.slice(0, this.used)) as Data
  }
}

export class IntColumn extends Column<bigint, BigInt64Array> {
  constructor() {
    super(new BigInt64Array())
  }
  protected allocate(length: number): BigInt64Array {
    return new BigInt64Array(length)
  }
}

export class FloatColumn extends Column<number, Float32Array> {
  constructor() {
    super(new Float32Array())
  }
  protected allocate(length: number): Float32Array {
    return new Float32Array(length)
  }
}
