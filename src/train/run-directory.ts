import { appendFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { namingFile } from '../core/system-error.ts'
import { cleanLeftovers, removeDirectory, writeFileAtomic } from '../format/atomic.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import type { BadFile } from '../video/epoch-order.ts'
import { signsFile, trainingManifestFile, validationFile } from './file-names.ts'
import { jsonLines, readHistory } from './history.ts'
import { metricsLineSchema, signsLineSchema, validationLineSchema } from './history-lines.ts'
import { type MetricsLine, metricsCsvHead, metricsCsvLine } from './metrics.ts'

/** Names of what a run leaves; see docs/formats.md. */
const names = {
  configuration: 'config.json',
  metrics: 'metrics.jsonl',
  table: 'metrics.csv',
  badFiles: 'bad-files.jsonl',
  events: 'tensorboard',
} as const

const linesSuffix = '.jsonl'

/** What a run reads again when it is resumed. Bad files are in the checkpoint, too, which is what counts. */
const formOf = new Map<string, z.ZodType>([
  [names.metrics, metricsLineSchema],
  [signsFile, signsLineSchema],
  [validationFile, validationLineSchema],
])

const checkpointPattern = /^step-(\d{8,})$/

/** The folder of one run. */
export class RunDirectory {
  readonly path: string

  constructor(directory: string) {
    this.path = path.resolve(directory)
  }

  /** Folder of the TensorBoard event files. */
  get events(): string {
    return path.join(this.path, names.events)
  }

  checkpointPath(step: number): string {
    return path.join(this.path, `step-${String(step).padStart(8, '0')}`)
  }

  /** Puts right what a kill left half done. Call it before checkpoints are looked for. */
  async recover(): Promise<void> {
    makeFolder(this.path)
    await cleanLeftovers(this.path)
  }

  removeCheckpoint(step: number): Promise<void> {
    return removeDirectory(this.checkpointPath(step))
  }

  /**
   * Renames the checkpoints of later steps than `step`: they are damaged, since the run continues from an older one, and among those
   * that it writes they would pass for its newest. Nothing is deleted, for parts of them may still be of use.
   *
   * @returns the new paths
   */
  async setAsideAfter(step: number): Promise<string[]> {
    const later = (await this.checkpointSteps()).filter((other) => other > step)
    const present = new Set(later.length === 0 ? [] : await readdir(this.path))
    const moved: string[] = []
    for (const other of later) {
      const name = `damaged-${path.basename(this.checkpointPath(other))}`
      let free = name
      for (let n = 2; present.has(free); n++) free = `${name}-${n}`
      await rename(this.checkpointPath(other), path.join(this.path, free))
      moved.push(path.join(this.path, free))
    }
    return moved
  }

  /** Steps of all checkpoints that stand under their final name, newest first. */
  async checkpointSteps(): Promise<number[]> {
    const entries = (await readdir(this.path).catch(nullIfMissing)) ?? []
    const steps = entries.flatMap((name) => {
      const match = checkpointPattern.exec(name)
      return match === null ? [] : [Number(match[1])]
    })
    return steps.sort((a, b) => b - a)
  }

  /**
   * Makes the folder for a run that begins at its first step.
   *
   * @throws VideoMaeError `RUN_EXISTS` when it holds checkpoints, `RUN_FOLDER` when it holds files of another purpose that
   *   the run would replace
   */
  async begin(): Promise<void> {
    const [newest] = await this.checkpointSteps()
    if (newest !== undefined) {
      throw new VideoMaeError(
        `Expected a new folder for the run but ${this.path} contains a checkpoint of step ${newest}.`,
        {
          code: 'RUN_EXISTS',
          exit: 'usage',
          hint: 'Continue that run with --resume, or choose another folder with --out.',
        },
      )
    }
    makeFolder(this.path)
    const present = await readdir(this.path)
    const written = [names.configuration, names.table, names.badFiles, names.events, trainingManifestFile]
    const replaced = written.filter((name) => present.includes(name))
    const foreign = (what: string) =>
      new VideoMaeError(`Expected an empty folder, or one of an earlier run, but ${this.path} contains ${what}.`, {
        ...{ code: 'RUN_FOLDER', exit: 'usage', hint: 'Choose another folder with --out.' },
      })
    if (replaced.length > 0 && !present.includes(names.metrics))
      throw foreign(`${replaced.join(', ')} and no ${names.metrics}`)
    if (present.includes(names.configuration) && !(await this.hasOwnConfiguration()))
      throw foreign(`${names.configuration} of another origin`)
    await this.setHistoryAside(present)
    await rm(this.events, { recursive: true, force: true })
    await rm(this.file('table'), { force: true })
    await writeFile(this.file('metrics'), '')
    await writeFile(this.file('badFiles'), '')
  }

  /** Other programs write `config.json` and `metrics.jsonl`, too. */
  private async hasOwnConfiguration(): Promise<boolean> {
    const text = await readRegularText(this.file('configuration'))
    try {
      return typeof (JSON.parse(text) as { readonly engineUsed?: unknown } | null)?.engineUsed === 'string'
    } catch {
      return false
    }
  }

  /**
   * Reads everything that the run has written line by line. Call it before anything is changed.
   *
   * @throws VideoMaeError `HISTORY_UNREADABLE`
   */
  async checkHistory(): Promise<void> {
    for (const name of await readdir(this.path))
      if (name.endsWith(linesSuffix))
        await readHistory(path.join(this.path, name), formOf.get(name) ?? z.looseObject({}))
  }

  /** Keeps what an earlier run without checkpoints has written down, where that is anything: `earlier-1/`, `earlier-2/`, ... */
  private async setHistoryAside(present: readonly string[]): Promise<void> {
    if ((await readHistory(this.file('metrics'))).length === 0) return
    let n = 1
    while (present.includes(`earlier-${n}`)) n++
    const aside = path.join(this.path, `earlier-${n}`)
    await mkdir(aside)
    for (const name of present) {
      const own =
        name.endsWith(linesSuffix) || [names.configuration, names.table, names.events].some((each) => each === name)
      if (own) await rename(path.join(this.path, name), path.join(aside, name))
    }
  }

  /**
   * Makes the folder what it was after `step` steps: what was written later belongs to a part of the run that is
   * repeated. Event files stay: the next one tells TensorBoard from which step on it replaces them.
   *
   * @param csv whether the lines of metrics are written as a table, too
   * @returns the lines of metrics that are left
   * @throws VideoMaeError `HISTORY_UNREADABLE`
   */
  async rewind(step: number, badFiles: readonly BadFile[], csv = false): Promise<MetricsLine[]> {
    const lines = await readHistory(this.file('metrics'), metricsLineSchema)
    const kept = lines.filter((line) => line.step <= step) as unknown as MetricsLine[]
    await writeFileAtomic(this.file('metrics'), jsonLines(kept))
    await writeFileAtomic(this.file('badFiles'), jsonLines(badFiles))
    if (csv) await writeFileAtomic(this.file('table'), metricsCsvHead + kept.map(metricsCsvLine).join(''))
    return kept
  }

  async writeConfiguration(values: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFileAtomic(this.file('configuration'), `${JSON.stringify(values, null, 2)}\n`)
  }

  /** @param csv whether it is written into the table, too */
  async appendMetrics(line: MetricsLine, csv = false): Promise<void> {
    await this.append('metrics', jsonLines([line]))
    if (csv) await this.append('table', metricsCsvLine(line))
  }

  async appendBadFile(file: BadFile): Promise<void> {
    await this.append('badFiles', jsonLines([file]))
  }

  private append(name: 'metrics' | 'badFiles' | 'table', text: string): Promise<void> {
    const file = this.file(name)
    return namingFile(file, () => appendFile(file, text))
  }

  /** Metrics and bad files reach the disk before the checkpoint that follows them does. */
  async flushHistory(): Promise<void> {
    for (const name of ['metrics', 'badFiles'] as const) {
      const file = await open(this.file(name), 'r')
      await file.sync().finally(() => file.close())
    }
  }

  private file(name: keyof typeof names): string {
    return path.join(this.path, names[name])
  }
}
