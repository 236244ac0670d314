/** The other ways of getting a clip that scripts/bench/decode.ts measures itself against. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type FfmpegProgram, findFfmpeg } from '../../../src/video/ffmpeg/program.ts'
import type { Box } from '../../../src/video/types.ts'

export interface ClipTask {
  readonly path: string
  /** Ascending frame numbers. */
  readonly frames: readonly number[]
  readonly stride: number
  readonly startSeconds: number
  readonly box: Box
  readonly size: number
}

export interface Rival {
  readonly name: string
  /** Seconds of CPU time for one clip; undefined where it failed. */
  clip(task: ClipTask): Promise<{ readonly seconds: number } | undefined>
  memoryMiB(): number | undefined
  close(): void
}

/**
 * A Python process with PyAV that stays up; undefined where no Python with `av` is at hand.
 *
 * @param way how the picture is made: the library's `reformat`, or its `filters`
 */
export async function startPyav(python: string, way: 'reformat' | 'filters'): Promise<Rival | undefined> {
  if (spawnSync(python, ['-c', 'import av, numpy']).status !== 0) return undefined
  const script = fileURLToPath(new URL('../decode_pyav.py', import.meta.url))
  const child: ChildProcess = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines: Interface = createInterface({ input: child.stdout! })
  const next = lines[Symbol.asyncIterator]()
  const answer = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await next.next()).value ?? '{"error":"ended"}')
  const { version } = await answer()
  let memory: number | undefined
  return {
    name: `PyAV ${String(version)} ${way}`,
    async clip({ path, frames, box, size }) {
      const { x, y, width, height } = box
      child.stdin!.write(`${JSON.stringify({ path, frames, size, way, box: [x, y, width, height] })}\n`)
      const reply = await answer()
      if (typeof reply.memory === 'number') memory = reply.memory
      return typeof reply.seconds === 'number' ? { seconds: reply.seconds } : undefined
    },
    memoryMiB: () => memory,
    close: () => child.kill(),
  }
}

/** A program started per clip, as a script around `ffmpeg` does it; undefined where there is none. */
export function startProgram(): Rival | undefined {
  let program: FfmpegProgram
  try {
    program = findFfmpeg()
  } catch {
    return undefined
  }
  return {
    name: `ffmpeg ${program.version}`,
    async clip({ path, frames, stride, startSeconds, box, size }) {
      const filters = `select=not(mod(n\\,${stride})),crop=${box.width}:${box.height}:${box.x}:${box.y},scale=${size}:${size}:flags=bilinear`
      const before = [
        '-benchmark',
        '-nostdin',
        '-threads',
        '1',
        '-filter_threads',
        '1',
        '-ss',
        startSeconds.toFixed(4),
        '-i',
        path,
        '-an',
      ]
      const after = [
        ...program.passThrough,
        '-frames:v',
        String(frames.length),
        '-pix_fmt',
        'rgb24',
        '-f',
        'rawvideo',
        '-',
      ]
      const log = await new Promise<string>((resolve) => {
        const child = spawn(program.path, [...before, '-vf', filters, ...after], { stdio: ['ignore', 'pipe', 'pipe'] })
        child.stdout.resume()
        let text = ''
        child.stderr.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        child.once('close', () => resolve(text))
      })
      const used = /utime=([\d.]+)s stime=([\d.]+)s/.exec(log)
      return used === null ? undefined : { seconds: Number(used[1]) + Number(used[2]) }
    },
    memoryMiB: () => undefined,
    close: () => undefined,
  }
}
