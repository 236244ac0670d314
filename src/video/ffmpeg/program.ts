import { spawn, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { VideoMaeError } from '../../core/errors.ts'

export interface Program {
  readonly path: string
  readonly version: string
  /** Option that passes every frame through once: its name changed with FFmpeg 5.1. */
  readonly passThrough: readonly string[]
}

/**
 * The `ffmpeg` program: FFMPEG_PATH, else the first in PATH, else that of an installed `ffmpeg-static`.
 *
 * @throws VideoMaeError `DECODER_MISSING`
 */
export function findProgram(): Program {
  const named = process.env.FFMPEG_PATH
  const candidates = named ? [named] : ['ffmpeg', ...bundledProgram()]
  for (const path of candidates) {
    const { status, stdout } = spawnSync(path, ['-hide_banner', '-version'], { encoding: 'utf8', timeout: 20_000 })
    const version = status === 0 ? /^ffmpeg version (\S+)/.exec(stdout)?.[1] : undefined
    if (version !== undefined) return { path, version, passThrough: passThroughOption(version) }
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

export interface ProgramRun {
  /** Bytes written to `out`. */
  readonly bytes: number
  readonly log: string
  readonly timedOut: boolean
}

/** Runs the program; its standard output goes to `out` (what does not fit is dropped), its messages to `log`. */
export function runProgram(
  path: string,
  args: readonly string[],
  out: Uint8Array,
  timeoutSeconds: number,
): Promise<ProgramRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let bytes = 0
    let timedOut = false
    const log: Buffer[] = []
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, timeoutSeconds * 1000)
    child.stdout.on('data', (chunk: Buffer) => {
      const room = Math.min(chunk.byteLength, out.byteLength - bytes)
      out.set(chunk.subarray(0, room), bytes)
      bytes += room
    })
    child.stderr.on('data', (chunk: Buffer) => log.push(chunk))
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', () => {
      clearTimeout(timer)
      resolve({ bytes, log: Buffer.concat(log).toString('utf8'), timedOut })
    })
  })
}
