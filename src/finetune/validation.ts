import { appendFile, readFile } from 'node:fs/promises'
import path from 'node:path'
import { replaceDirectory, writeFileAtomic } from '../format/atomic.ts'
import { bestFolder } from '../train/open-checkpoint.ts'
import { type Classifier, saveClassifier } from './classifier.ts'

/** What checkpoints, epochs and strengths are chosen by. */
export interface ValidationScores {
  readonly accuracy: number
  /** Mean -log of the probability of the true class. */
  readonly loss: number
}

/** Higher accuracy, then lower loss; the earlier of equals stays. */
export function isBetter(scores: ValidationScores, best: ValidationScores | null): boolean {
  if (best === null) return true
  return scores.accuracy > best.accuracy || (scores.accuracy === best.accuracy && scores.loss < best.loss)
}

/** One look at the validation videos. */
export interface ValidationLine extends ValidationScores {
  /** Optimiser steps done. */
  readonly step: number
  /** Videos that were read, and those that could not be. */
  readonly videos: number
  readonly failures: number
}

/**
 * The looks at the validation videos, `validation.jsonl`, and the best checkpoint so far, `best/`. A run that is resumed
 * forgets what came after its checkpoint; since it repeats those steps with the same results, `best/` ends up the same.
 */
export class BestCheckpoint {
  private readonly directory: string
  private readonly accompany: (folder: string) => Promise<void>
  private lines: ValidationLine[] = []

  /** @param accompany writes what else lies beside the classifier */
  constructor(directory: string, accompany: (folder: string) => Promise<void> = async () => {}) {
    this.directory = directory
    this.accompany = accompany
  }

  get best(): ValidationLine | null {
    return this.lines.reduce<ValidationLine | null>((best, line) => (isBetter(line, best) ? line : best), null)
  }

  private get file(): string {
    return path.join(this.directory, 'validation.jsonl')
  }

  /** Goes back to what was known after `step` steps. */
  async rewind(step: number): Promise<void> {
    const text = step === 0 ? '' : await readFile(this.file, 'utf8').catch(() => '')
    this.lines = text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as ValidationLine)
      .filter((line) => line.step <= step)
    await writeFileAtomic(this.file, this.lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }

  /** @param classifier reads the weights when they are needed, i.e. when this look was the best one */
  async add(line: ValidationLine, classifier: () => Promise<Classifier>): Promise<void> {
    const better = isBetter(line, this.best)
    // The checkpoint first: after a kill between the two, the step is repeated and written again.
    if (better) await this.save(await classifier())
    this.lines.push(line)
    await appendFile(this.file, `${JSON.stringify(line)}\n`)
  }

  save(classifier: Classifier): Promise<void> {
    return replaceDirectory(path.join(this.directory, bestFolder), async (folder) => {
      await saveClassifier(folder, classifier)
      await this.accompany(folder)
    })
  }
}
