import type { CacheDirectory } from '../../cache-directory.ts'
import type { MatmulShape } from '../device.ts'
import type { Algorithm } from './matmul.ts'

interface StoredChoice {
  readonly algorithm: string
  readonly workspace: string
}

/** The algorithm measured to be fastest for each shape, remembered in one file per device and library version. */
export class MatmulChoices {
  private readonly cache: CacheDirectory
  private readonly file: string
  private readonly choices: Map<string, StoredChoice>

  constructor(cache: CacheDirectory, device: string, libraryVersion: string) {
    this.cache = cache
    this.file = `products-${device.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${libraryVersion}.json`
    this.choices = new Map(Object.entries(this.load()))
  }

  get(shape: MatmulShape): Algorithm | null {
    const choice = this.choices.get(JSON.stringify(shape))
    if (choice === undefined) return null
    return { bytes: Buffer.from(choice.algorithm, 'hex'), workspace: BigInt(choice.workspace) }
  }

  set(shape: MatmulShape, algorithm: Algorithm): void {
    const choice = { algorithm: algorithm.bytes.toString('hex'), workspace: String(algorithm.workspace) }
    this.choices.set(JSON.stringify(shape), choice)
  }

  /** Writes the file, with what other processes have added meanwhile. */
  save(): void {
    const all = { ...this.load(), ...Object.fromEntries(this.choices) }
    this.cache.write(this.file, JSON.stringify(all))
  }

  private load(): Record<string, StoredChoice> {
    const content = this.cache.read(this.file)
    if (content === null) return {}
    try {
      const parsed: unknown = JSON.parse(Buffer.from(content).toString('utf8'))
      return isChoices(parsed) ? parsed : {}
    } catch {
      return {}
    }
  }
}

function isChoices(value: unknown): value is Record<string, StoredChoice> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(
      (choice: unknown) =>
        typeof choice === 'object' &&
        choice !== null &&
        'algorithm' in choice &&
        typeof choice.algorithm === 'string' &&
        /^[0-9a-f]{128}$/.test(choice.algorithm) &&
        'workspace' in choice &&
        typeof choice.workspace === 'string' &&
        /^\d+$/.test(choice.workspace),
    )
  )
}
