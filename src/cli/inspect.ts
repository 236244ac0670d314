import { percent } from '../core/percent.ts'
import { printable } from '../core/printable.ts'
import { likenessNotes } from '../dataset/dataset.ts'
import { fewVideosNote } from '../train/few-videos.ts'
import { type InspectedVideo, type InspectReport, inspectVideos } from '../video/inspect.ts'
import { listsBeside } from '../video/lists-beside.ts'
import { type PreparingAdvice, preparingAdvice } from '../video/preparing.ts'
import { readingLines } from '../video/reading.ts'
import { splitUse } from '../video/split-notes.ts'
import type { InspectCommandOptions } from './commands/inspect.ts'
import { interruptSignal } from './interrupt.ts'

/** `videomae inspect`. */
export async function inspectCommand(sources: readonly string[], options: InspectCommandOptions): Promise<void> {
  const interrupt = interruptSignal('No file was written. Run the same command again.')
  try {
    await inspectUntil(interrupt.signal, sources, options)
  } finally {
    interrupt.dispose()
  }
}

async function inspectUntil(
  signal: AbortSignal,
  sources: readonly string[],
  { json = false, timeout: timeoutSeconds, ...options }: InspectCommandOptions,
): Promise<void> {
  const live = process.stderr.isTTY && !json
  const onProgress = (done: number, total: number): void => {
    if (live) process.stderr.write(`\r${done} of ${total}`)
  }
  const report = await inspectVideos(sources, { ...options, timeoutSeconds, signal, onProgress })
  if (live) process.stderr.write('\r\u001b[K')
  const labels = new Set(report.videos.flatMap(({ entry: { label } }) => label ?? []))
  for (const note of likenessNotes([...labels].sort())) process.stderr.write(`warning: ${printable(note)}\n`)
  const split = splitUse(report.videos.map(({ entry }) => entry))
  for (const warning of [...sources.flatMap(listsBeside), ...split.warnings])
    process.stderr.write(`warning: ${printable(warning)}\n`)
  const usable = report.videos.flatMap(({ entry, info }) => (info === undefined ? [] : [{ entry, info }]))
  const preparing = options.decoder === 'ffmpeg' ? null : await preparingAdvice(usable, { timeoutSeconds, signal })
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...report, preparing })}\n`
      : `${table(report)}${split.lines.map((line) => `${printable(line)}\n`).join('')}${adviceText(preparing, sources)}${pretrainingText(report)}`,
  )
}

function adviceText(advice: PreparingAdvice | null, sources: readonly string[]): string {
  if (advice === null) return ''
  const { decodeShare, measured, shorterSide } = advice
  const source = sources.length === 1 ? printable(sources[0]) : 'SOURCE'
  return (
    `Preparing these videos would save time: decoding takes ${percent(decodeShare)} of the time of a training clip (measured on ${measured} ` +
    `${measured === 1 ? 'video' : 'videos'}: 16 frames, stride 4, 224 pixels), and the shorter side has ${shorterSide} pixels (median).\n` +
    `\`videomae prepare ${source} OUT --dry-run\` measures how much faster prepared videos are.\n`
  )
}

function pretrainingText({ usable }: InspectReport): string {
  const note = usable === 0 ? null : fewVideosNote(usable)
  return note === null ? '' : `${note}\n`
}

const columns = ['file', 'container', 'codec', 'size', 'fps', 'seconds', 'frames', 'pixels', 'turn'] as const

function table({ sources, videos, usable, unusable, seconds, bytes }: InspectReport): string {
  const rows = videos.filter(({ problem }) => problem === undefined).map(cells)
  const widths = columns.map((name, c) => rows.reduce((widest, row) => Math.max(widest, row[c].length), name.length))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (c === 0 || c === 1 || c === 2 || c === 7 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
      .join('  ')
      .trimEnd()
  const bad = videos.flatMap(({ problem }) => (problem === undefined ? [] : [`  ${problem.reason} [${problem.code}]`]))
  return [
    ...(rows.length === 0 ? [] : [line(columns), ...rows.map(line), '']),
    ...sources.flatMap(readingLines),
    `${sources.map(({ source }) => source).join(', ')}: ${usable} usable videos, ${formatSeconds(seconds)}, ${(bytes / 2 ** 20).toFixed(1)} MiB; ${unusable} unusable`,
    ...bad,
    '',
  ]
    .map(printable)
    .join('\n')
}

function cells({ entry, info, frames }: InspectedVideo): string[] {
  if (info === undefined) return columns.map((name) => (name === 'file' ? entry.id : ''))
  const turn = `${info.rotation === 0 ? '' : info.rotation}${info.mirrored ? ' mirrored' : ''}`
  return [
    entry.id,
    info.container.split(',')[0],
    info.codec,
    `${info.width}x${info.height}`,
    info.fps === 0 ? '?' : info.fps.toFixed(2).replace(/\.?0+$/, ''),
    info.duration.toFixed(1),
    String(frames ?? '?'),
    info.pixelFormat,
    turn.trim(),
  ]
}

function formatSeconds(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`
}
