import { appendFile, cp, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { replaceDirectory, writeFileAtomic } from '../format/atomic.ts'
import { nullIfMissing } from '../format/missing.ts'
import { type Classifier, saveClassifier } from '../inference/classifier.ts'
import { isBetter, type ValidationScores } from '../inference/scores.ts'
import { validationFile } from '../train/file-names.ts'
import { jsonLines, readHistory } from '../train/history.ts'
import { chosenSchema, validationLineSchema } from '../train/history-lines.ts'
import { bestFolder } from '../train/open-checkpoint.ts'
import { RunDirectory } from '../train/run-directory.ts'

/** One validation pass. */
export interface ValidationLine extends ValidationScores {
  /** Optimizer steps done. */
  readonly step: number
  /** Videos that were read, and those that could not be. */
  readonly videos: number
  readonly failures: number
  /** Its weights are not there any more, so that it cannot be chosen. */
  readonly lost?: true
}

const [chosenFile, beforeFolder] = ['chosen.json', 'best-before']

/**
 * The validation passes, `validation.jsonl`, and the best checkpoint so far, `best/`, with the step that it is of
 * in `chosen.json`.
 *
 * A run that is resumed forgets what came after its checkpoint, `best/` included: steps that are repeated need not give the same
 * again (other threads, another device). So the best of those that the newest checkpoint knows is kept in `best-before/` as long
 * as `best/` is a later one.
 */
export class BestCheckpoint {
  private readonly directory: string
  private readonly accompany: (folder: string) => Promise<void>
  private lines: readonly ValidationLine[] = []

  /** @param accompany writes what else is next to the classifier */
  constructor(directory: string, accompany: (folder: string) => Promise<void> = async () => {}) {
    this.directory = directory
    this.accompany = accompany
  }

  /** The pass that `best/` is of. */
  get best(): ValidationLine | null {
    return bestOf(this.lines)
  }

  /** Whether the validation videos were evaluated after a step. */
  has(step: number): boolean {
    return this.lines.some((line) => line.step === step)
  }

  /**
   * Goes back to what was known after `step` steps.
   *
   * @returns whether the weights of the best pass until then are lost: the best one is chosen among later passes then
   */
  async rewind(step: number): Promise<{ readonly lost: boolean }> {
    const all = step === 0 ? [] : await this.readLines()
    this.lines = all.filter((line) => line.step <= step)
    const lost = !(await this.bringBack(this.best, bestOf(all)))
    if (lost) this.lines = this.lines.map((line) => ({ ...line, lost: true }))
    await writeFileAtomic(this.pathOf(validationFile), jsonLines(this.lines))
    return { lost }
  }

  /**
   * @param latest the best of all passes that were noted: what `best/` is of where an earlier version did not write it down
   * @returns false where the weights of `wanted` are not there
   */
  private async bringBack(wanted: ValidationLine | null, latest: ValidationLine | null): Promise<boolean> {
    if (wanted === null) return true // whatever is in best/, the next pass replaces it
    const present = await this.stepIn(bestFolder)
    if ((present === 'unsaid' ? latest?.step : present) === wanted.step) return true
    if ((await this.stepIn(beforeFolder)) !== wanted.step) return false
    await this.copy(beforeFolder, bestFolder)
    return true
  }

  /** @param classifier reads the weights when they are needed, i.e. when this pass was the best one */
  async add(line: ValidationLine, classifier: () => Promise<Classifier>): Promise<void> {
    const { best } = this
    // The checkpoint first: after a kill between the two, the step is repeated and written again.
    if (isBetter(line, best)) {
      if (best !== null && (await this.isResumable(best.step))) await this.copy(bestFolder, beforeFolder)
      await this.save(await classifier(), line)
    }
    this.lines = [...this.lines, line]
    await appendFile(this.pathOf(validationFile), jsonLines([line]))
  }

  save(classifier: Classifier, pass: ValidationLine | { readonly step: number }): Promise<void> {
    return replaceDirectory(this.pathOf(bestFolder), async (folder) => {
      await saveClassifier(folder, classifier)
      await this.accompany(folder)
      await writeFile(path.join(folder, chosenFile), `${JSON.stringify(pass)}\n`)
    })
  }

  /** Call behind the last step, when nothing can be resumed any more. */
  async finish(): Promise<void> {
    await rm(this.pathOf(beforeFolder), { recursive: true, force: true })
  }

  /** Whether a run that is resumed knows of a step: what no checkpoint knows is forgotten then. */
  private async isResumable(step: number): Promise<boolean> {
    const [newest = 0] = await new RunDirectory(this.directory).checkpointSteps()
    return step <= newest
  }

  /** The step that the weights in a folder are of: null without the folder, `unsaid` where it does not say. */
  private async stepIn(name: string): Promise<number | 'unsaid' | null> {
    if ((await stat(this.pathOf(name, 'config.json')).catch(nullIfMissing)) === null) return null
    const [chosen] = await readHistory(this.pathOf(name, chosenFile), chosenSchema)
    return chosen === undefined ? 'unsaid' : chosen.step
  }

  private async readLines(): Promise<readonly ValidationLine[]> {
    return (await readHistory(this.pathOf(validationFile), validationLineSchema)) as unknown as ValidationLine[]
  }

  private copy(from: string, to: string): Promise<void> {
    return replaceDirectory(this.pathOf(to), (folder) => cp(this.pathOf(from), folder, { recursive: true }))
  }

  private pathOf(...names: readonly string[]): string {
    return path.join(this.directory, ...names)
  }
}

function bestOf(lines: readonly ValidationLine[]): ValidationLine | null {
  return lines.reduce<ValidationLine | null>(
    (best, line) => (line.lost !== true && isBetter(line, best) ? line : best),
    null,
  )
}
