import type { Size } from '../types.ts'

/**
 * What the messages of the program tell of a file. Names and tags of the file stand in them too, so they serve to describe the file and to explain a
 * failure, never to tell which frames there are.
 */
export interface StreamLog {
  readonly container: string
  readonly codec: string | undefined
  readonly pixelFormat: string
  /** Size the header claims. */
  readonly claimed: Size | undefined
  readonly fps: number
  readonly duration: number
  readonly rotation: 0 | 90 | 180 | 270
  /** A format that is not in the list of those that may be opened. */
  readonly refused: string | undefined
  /** The last complaint before the end, for error messages. */
  readonly complaint: string
}

export function readStreamLog(log: string): StreamLog {
  let complaint = ''
  for (const line of log.split('\n')) {
    if (/error|invalid|not found|no such|unable|does not contain/i.test(line))
      complaint = line.replace(/^\[[^\]]*\]\s*|^(?:file:\/dev\/fd\/\d+|fd:): /, '').trim()
  }
  const chosen = /^ *Stream #(\d+:\d+) -> #0:0/m.exec(log)?.[1]
  const streams = [...log.matchAll(/^ *Stream #(\d+:\d+).*?: Video: ([a-z0-9_]+)(.*)$/gm)]
  const stream = streams.find((match) => match[1] === chosen) ?? streams[0]
  const details = stream?.[3] ?? ''
  const claimed = /Picture size (\d+)x(\d+) exceeds/.exec(log) ?? /, (\d+)x(\d+)/.exec(details)
  const duration = /^ *Duration: (\d+):(\d+):([\d.]+)/m.exec(log)
  const turn = Math.round(-Number(/displaymatrix: rotation of (-?[\d.]+)/.exec(log)?.[1] ?? 0) / 90) * 90
  return {
    container: /^Input #0, (.*?), from/m.exec(log)?.[1] ?? 'unknown',
    codec: stream?.[2],
    pixelFormat: /^[^,]*(?:\([^)]*\))?[^,]*, ([a-z0-9]+)/.exec(details)?.[1] ?? 'unknown',
    claimed: claimed === null ? undefined : { width: Number(claimed[1]), height: Number(claimed[2]) },
    fps: Number(/, ([\d.]+) fps/.exec(details)?.[1] ?? 0),
    duration: duration === null ? 0 : Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3]),
    rotation: (((turn % 360) + 360) % 360) as 0 | 90 | 180 | 270,
    refused: /^\[([^\]]+?) @ 0x[0-9a-f]+\] Format not on whitelist/m.exec(log)?.[1],
    complaint,
  }
}
