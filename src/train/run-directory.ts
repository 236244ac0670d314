import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { cleanLeftovers, removeDirectory, writeFileAtomic } from '../format/atomic.ts'
import type { BadFile } from '../video/index.ts'
import type { MetricsLine } from './metrics.ts'

/** Names of what a run leaves; see docs/training.md. */
const names = {
  configuration: 'config.json',
  metrics: 'metrics.jsonl',
  badFiles: 'bad-files.jsonl',
  events: 'tensorboard',
} as const

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
    await mkdir(this.path, { recursive: true })
    await cleanLeftovers(this.path)
  }

  removeCheckpoint(step: number): Promise<void> {
    return removeDirectory(this.checkpointPath(step))
  }

  /**
   * Renames the checkpoints of later steps than `step`: they are damaged, since the run goes on from an older one, and among those
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
    const entries = await readdir(this.path).catch(() => [])
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
        `Expected a new folder for the run but ${this.path} holds a checkpoint of step ${newest}.`,
        {
          code: 'RUN_EXISTS',
          exit: 'usage',
          hint: 'Continue that run with --resume, or choose another folder with --out.',
        },
      )
    }
    await mkdir(this.path, { recursive: true })
    const present = await readdir(this.path)
    const replaced = [names.configuration, names.badFiles, names.events].filter((name) => present.includes(name))
    if (replaced.length > 0 && !present.includes(names.metrics)) {
      throw new VideoMaeError(
        `Expected an empty folder, or one of an earlier run, but ${this.path} holds ${replaced.join(', ')} and no ${names.metrics}.`,
        { code: 'RUN_FOLDER', exit: 'usage', hint: 'Choose another folder with --out.' },
      )
    }
    await rm(this.events, { recursive: true, force: true })
    await writeFile(this.file('metrics'), '')
    await writeFile(this.file('badFiles'), '')
  }

  /**
   * Makes the folder what it was after `step` steps: what was written later belongs to a part of the run that is
   * repeated. Event files stay: the next one tells TensorBoard from which step on it replaces them.
   *
   * @returns the lines of metrics that are left
   */
  async rewind(step: number, badFiles: readonly BadFile[]): Promise<MetricsLine[]> {
    const lines = await readLines(this.file('metrics'))
    const kept = lines.filter((line) => typeof line.step === 'number' && line.step <= step)
    await writeFileAtomic(this.file('metrics'), jsonLines(kept))
    await writeFileAtomic(this.file('badFiles'), jsonLines(badFiles))
    return kept as unknown as MetricsLine[]
  }

  async writeConfiguration(values: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFileAtomic(this.file('configuration'), `${JSON.stringify(values, null, 2)}\n`)
  }

  async appendMetrics(line: MetricsLine): Promise<void> {
    await appendFile(this.file('metrics'), jsonLines([line]))
  }

  async appendBadFile(file: BadFile): Promise<void> {
    await appendFile(this.file('badFiles'), jsonLines([file]))
  }

  private file(name: keyof typeof names): string {
    return path.join(this.path, names[name])
  }
}

function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

/** Lines of a file that a kill may have cut short in its last one; none where it does not exist. */
async function readLines(file: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line)
      return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : []
    } catch {
      return []
    }
  })
}
