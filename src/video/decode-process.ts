import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../core/entry.ts'
import { VideoMaeError } from '../core/errors.ts'
import { type ClipResult, clipBytes, readClip } from './clip.ts'
import { createDecoder } from './decoder.ts'
import { encodeVideo } from './encode-video.ts'
import { isMachineError, machineError, machineReason } from './machine-errors.ts'
import { type FromProcess, type ProcessSettings, sharedDescriptor, type ToProcess } from './protocol.ts'
import type { Decoder } from './types.ts'

/**
 * Entry of a decoding process: one request at a time, pixels into the shared file, the rest as a message. It holds no state that changes a result, so any
 * process can take over any request.
 */
async function main(): Promise<void> {
  const settings = JSON.parse(process.argv[2]) as ProcessSettings
  await watchParent()
  // A terminal sends Ctrl-C and its end to every process; the parent decides.
  for (const name of ['SIGINT', 'SIGHUP'] as const) process.on(name, () => undefined)
  let decoder: Decoder
  try {
    decoder = await createDecoder(settings.decoder, settings.limits)
  } catch (error) {
    await send({ kind: 'unable', failure: failureOf(error) })
    process.exit(1)
  }
  await send({ kind: 'ready', decoder: decoder.describe() })

  const buffer = new ClipBuffer()
  let queue = Promise.resolve()
  process.on('message', (message: ToProcess) => {
    queue = queue.then(async () => {
      const reply = await answer(decoder, message, buffer)
      await send(reply)
      if (reply.kind === 'unable') await new Promise(() => undefined) // What waits is not touched: the parent ends this process.
    })
  })
}

/** From then on the process ends with its parent, whatever its main thread does. */
async function watchParent(): Promise<void> {
  const watch = new Worker(compiledEntry(import.meta.url, './parent-watch'))
  await once(watch, 'message')
  watch.unref()
}

/** Memory for the clips of one request after another. */
class ClipBuffer {
  private bytes = new Uint8Array(0)

  take(length: number): Uint8Array {
    if (this.bytes.byteLength < length) this.bytes = new Uint8Array(length)
    return this.bytes.subarray(0, length)
  }
}

/** Only what went wrong in reading the video is the video's fault; without memory, room for the pixels or open files none can be read. */
async function answer(decoder: Decoder, { id, request, offset }: ToProcess, buffer: ClipBuffer): Promise<FromProcess> {
  const unable = (expected: string, cause: unknown): FromProcess => ({
    kind: 'unable',
    failure: failureOf(machineError(expected, cause)),
  })
  const failed = (error: unknown): FromProcess =>
    isMachineError(error)
      ? unable(`Expected to read ${request.entry.path}`, error)
      : { kind: 'failed', id, failure: failureOf(error) }
  if ('kind' in request) {
    return encodeVideo(decoder, request).then((result): FromProcess => ({ kind: 'encoded', id, result }), failed)
  }
  let clips: Uint8Array
  try {
    clips = buffer.take(clipBytes(request))
  } catch (error) {
    return unable('Expected memory for decoded clips', error)
  }
  let result: ClipResult
  try {
    result = await readClip(decoder, request, clips)
  } catch (error) {
    return failed(error)
  }
  try {
    writeAll(clips, offset)
  } catch (error) {
    return unable('Expected space for decoded clips in the file that passes them on', error)
  }
  return { kind: 'done', id, result }
}

function writeAll(bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.byteLength) {
    written += writeSync(sharedDescriptor, bytes, written, bytes.byteLength - written, offset + written)
  }
}

function failureOf(error: unknown): { code: string; reason: string; hint?: string } {
  if (error instanceof VideoMaeError) return { code: error.code, reason: error.message, hint: error.hint }
  return { code: 'VIDEO_UNREADABLE', reason: machineReason(error) }
}

/** Resolves once the message is handed over, so that a crash in the next request cannot take this answer with it. */
function send(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, undefined, undefined, () => resolve())
  })
}

await main()
