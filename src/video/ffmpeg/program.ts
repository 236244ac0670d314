import { spawn, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { VideoMaeError } from '../../core/errors.ts'
import { processSeconds } from '../cpu-time.ts'
import { type Ending, endingOf } from '../how-it-ended.ts'
import { WorkClock } from '../work-clock.ts'
import { FrameRecords } from './frame-records.ts'

export interface FfmpegProgram {
  readonly path: string
  readonly version: string
  /** Option that passes every frame through once: its name changed with FFmpeg 5.1. */
  readonly passThrough: readonly string[]
  /** Whether it can be handed an open file by its number (since FFmpeg 6). */
  readonly takesDescriptors: boolean
}

/**
 * The `ffmpeg` program: FFMPEG_PATH, else the first in PATH, else that of an installed `ffmpeg-static`.
 *
 * @throws VideoMaeError `DECODER_MISSING`
 */
export function findFfmpeg(): FfmpegProgram {
  const named = process.env.FFMPEG_PATH
  const candidates = named ? [named] : ['ffmpeg', ...bundledProgram()]
  for (const path of candidates) {
    const { status, stdout } = spawnSync(path, ['-hide_banner', '-version'], { encoding: 'utf8', timeout: 20_000 })
    const version = status === 0 ? /^ffmpeg version (\S+)/.exec(stdout)?.[1] : undefined
    if (version === undefined) continue
    return { path, version, passThrough: passThroughOption(version), takesDescriptors: takesDescriptors(path) }
  }
  throw new VideoMaeError(`Expected an ffmpeg program (tried ${candidates.join(', ')}), but none runs.`, {
    code: 'DECODER_MISSING',
    exit: 'environment',
    hint: named ? 'Correct FFMPEG_PATH.' : 'Install ffmpeg, set FFMPEG_PATH, or use `--decoder node-av`.',
  })
}

function bundledProgram(): string[] {
  try {
    const path: unknown = createRequire(import.meta.url)('ffmpeg-static')
    return typeof path === 'string' ? [path] : []
  } catch {
    return [] // Not installed: it is optional.
  }
}

function passThroughOption(version: string): string[] {
  const [, major, minor] = /^n?(\d+)\.(\d+)/.exec(version) ?? []
  const old = major !== undefined && Number(major) * 100 + Number(minor) < 501
  return old ? ['-vsync', 'passthrough'] : ['-fps_mode', 'passthrough']
}

function takesDescriptors(path: string): boolean {
  const { stdout } = spawnSync(path, ['-hide_banner', '-protocols'], { encoding: 'utf8', timeout: 20_000 })
  return process.platform !== 'win32' && /^\s*fd$/m.test(stdout ?? '')
}

/** Descriptor of the program on which the video comes. */
const inputDescriptor = 3

/**
 * How the program is told to read the open file: its name is not needed, so it cannot stand in a message or be taken for something else. Only on Windows,
 * where programs inherit no descriptors, it is named.
 */
export function inputOf(
  program: FfmpegProgram,
  path: string,
): { readonly protocol: string; readonly input: readonly string[] } {
  if (process.platform === 'win32') return { protocol: 'file', input: ['-i', `file:${path}`] }
  if (program.takesDescriptors) return { protocol: 'fd', input: ['-fd', String(inputDescriptor), '-i', 'fd:'] }
  return { protocol: 'file', input: ['-i', `file:/dev/fd/${inputDescriptor}`] }
}

export interface ProgramRun {
  /** Bytes written to `out`. */
  readonly bytes: number
  /** Its messages: where there are many, the first and the last of them. */
  readonly log: string
  readonly records: FrameRecords
  /** Why it was stopped; undefined where it ended by itself. */
  readonly stopped: string | undefined
  /** How it ended. Where not by itself, what it wrote may be the beginning of all. */
  readonly ending: Ending
}

/** Bytes of the messages that are kept from their beginning, and from their end: a damaged file can give one for each frame. */
const logBytes = 1 << 18

class MessageLog {
  private first = Buffer.alloc(0)
  private last = Buffer.alloc(0)

  take(chunk: Buffer): void {
    const room = logBytes - this.first.length
    if (room > 0) this.first = Buffer.concat([this.first, chunk.subarray(0, room)])
    if (chunk.length > room)
      this.last = Buffer.concat([this.last, chunk.subarray(Math.max(0, room))]).subarray(-logBytes)
  }

  toString(): string {
    return `${this.first.toString('utf8')}${this.last.toString('utf8')}`
  }
}

/** With these it ends after a signal that it caught: it closes its output first, which then is the beginning of all. */
const signalledCode = 255
const signalledMessage = /^Exiting normally, received signal \d+/m

/** The environment of the program, without what would write reports or color into its messages. */
function environment(): NodeJS.ProcessEnv {
  const { FFREPORT: _, AV_LOG_FORCE_COLOR: __, AV_LOG_FORCE_256COLOR: ___, ...rest } = process.env
  return { ...rest, AV_LOG_FORCE_NOCOLOR: '1' }
}

/**
 * Runs the program; its standard output goes to `out` (what does not fit is dropped).
 *
 * @param input the open video, at its start
 * @param limitSeconds processor time that it may use
 */
export function runFfmpeg(
  path: string,
  args: readonly string[],
  input: number,
  out: Uint8Array,
  limitSeconds: number,
): Promise<ProgramRun> {
  return new Promise((resolve, reject) => {
    // The last two are `inputDescriptor` and `recordDescriptor`.
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe', input, 'pipe'], env: environment() })
    let bytes = 0
    let stopped: string | undefined
    const log = new MessageLog()
    const records = new FrameRecords()
    const clock = new WorkClock(() => (child.pid === undefined ? undefined : processSeconds(child.pid)))
    clock.start(limitSeconds, 0, (what) => {
      stopped = what
      child.kill('SIGKILL')
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      const room = Math.min(chunk.byteLength, out.byteLength - bytes)
      out.set(chunk.subarray(0, room), bytes)
      bytes += room
    })
    child.stderr?.on('data', (chunk: Buffer) => log.take(chunk))
    child.stdio[4]?.on('data', (chunk: Buffer) => records.take(chunk))
    child.once('error', (error) => {
      clock.stop()
      reject(error)
    })
    child.once('close', (code, signal) => {
      clock.stop()
      const messages = log.toString()
      const ending = code === signalledCode && signalledMessage.test(messages) ? 'killed' : endingOf(signal)
      resolve({ bytes, log: messages, records, stopped, ending })
    })
  })
}
