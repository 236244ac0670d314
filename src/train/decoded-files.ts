import type { Ranks } from '../distributed/ranks.ts'
import type { FileState } from '../format/regular-file.ts'

/** The states in which ranks next to the first have decoded files, on their way to the first: it writes the training manifest. */
export class DecodedFiles {
  private readonly ranks: Ranks
  private untold = new Map<string, Set<FileState>>()
  private readonly told = new Map<string, Set<FileState>>()

  constructor(ranks: Ranks) {
    this.ranks = ranks
  }

  add(file: string, state: FileState): void {
    if (this.told.get(file)?.has(state) === true) return
    const states = this.untold.get(file) ?? new Set()
    this.untold.set(file, states.add(state))
  }

  /** Collective. @param hear called on rank 0 for every file and state that is new */
  async tell(hear: (file: string, state: FileState) => void): Promise<void> {
    const list = [...this.untold].flatMap(([file, states]) => [...states].map((state) => [file, state] as const))
    for (const [file, state] of list) this.told.set(file, (this.told.get(file) ?? new Set()).add(state))
    this.untold = new Map()
    const all = await this.ranks.collect(list)
    if (this.ranks.rank === 0) for (const [file, state] of all) hear(file, state)
  }
}
