import type { Size } from '../types.ts'

/** What the program's messages tell of the frames that its `showinfo` filter saw, and of the stream. */
export interface FrameLog {
  /** Time stamps in units of `timeBase` seconds, in the order the frames came. */
  readonly stamps: number[]
  readonly timeBase: number
  /** Size of the first frame, after rotation; undefined without frames. */
  readonly size: Size | undefined
  readonly container: string
  readonly codec: string | undefined
  readonly pixelFormat: string
  /** Size the header claims. */
  readonly claimed: Size | undefined
  readonly fps: number
  readonly duration: number
  readonly rotation: 0 | 90 | 180 | 270
  /** The last complaint before the end, for error messages. */
  readonly complaint: string
}

export function readFrameLog(log: string): FrameLog {
  const stamps: number[] = []
  let timeBase = 1
  let size: Size | undefined
  let complaint = ''
  for (const line of log.split('\n')) {
    const base = /showinfo.*config in time_base: (\d+)\/(\d+)/.exec(line)
    if (base !== null) timeBase = Number(base[1]) / Number(base[2])
    const frame = /showinfo.* n: *\d+ pts: *(-?\d+|NOPTS).* s:(\d+)x(\d+) /.exec(line)
    if (frame !== null) {
      stamps.push(frame[1] === 'NOPTS' ? Number.NaN : Number(frame[1]))
      size ??= { width: Number(frame[2]), height: Number(frame[3]) }
    } else if (/error|invalid|not found|no such|unable|does not contain/i.test(line))
      complaint = line.replace(/^\[[^\]]*\]\s*/, '').trim()
  }
  const chosen = /Stream #(\d+:\d+) -> #0:0/.exec(log)?.[1]
  const streams = [...log.matchAll(/^ *Stream #(\d+:\d+).*?: Video: ([a-z0-9_]+)(.*)$/gm)]
  const stream = streams.find((match) => match[1] === chosen) ?? streams[0]
  const details = stream?.[3] ?? ''
  const claimed = /Picture size (\d+)x(\d+) exceeds/.exec(log) ?? /, (\d+)x(\d+)/.exec(details)
  const duration = /Duration: (\d+):(\d+):([\d.]+)/.exec(log)
  const turn = Math.round(-Number(/displaymatrix: rotation of (-?[\d.]+)/.exec(log)?.[1] ?? 0) / 90) * 90
  return {
    stamps,
    timeBase,
    size,
    container: /^Input #0, (.*?), from/m.exec(log)?.[1] ?? 'unknown',
    codec: stream?.[2],
    pixelFormat: /^[^,]*(?:\([^)]*\))?[^,]*, ([a-z0-9]+)/.exec(details)?.[1] ?? 'unknown',
    claimed: claimed === null ? undefined : { width: Number(claimed[1]), height: Number(claimed[2]) },
    fps: Number(/, ([\d.]+) fps/.exec(details)?.[1] ?? 0),
    duration: duration === null ? 0 : Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3]),
    rotation: (((turn % 360) + 360) % 360) as 0 | 90 | 180 | 270,
    complaint,
  }
}
