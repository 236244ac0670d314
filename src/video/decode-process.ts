import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../core/entry.ts'
import { VideoMaeError } from '../core/errors.ts'
import { clipBytes, readClip } from './clip.ts'
import { createDecoder } from './decoder.ts'
import { type FromProcess, type ProcessSettings, sharedDescriptor, type ToProcess } from './protocol.ts'
import type { Decoder } from './types.ts'

/**
 * Entry of a decoding process: one request at a time, pixels into the shared file, the rest as a message. It holds no state that changes a result, so any
 * process can take over any request.
 */
async function main(): Promise<void> {
  const settings = JSON.parse(process.argv[2]) as ProcessSettings
  await watchParent()
  process.on('SIGINT', () => undefined) // On Windows Ctrl-C reaches every process of a console; the parent decides.
  let decoder: Decoder
  try {
    decoder = await createDecoder(settings.decoder, settings.limits)
  } catch (error) {
    await send({ kind: 'unable', failure: failureOf(error) })
    process.exit(1)
  }
  await send({ kind: 'ready', decoder: decoder.describe() })

  let buffer = new Uint8Array(0)
  let queue = Promise.resolve()
  process.on('message', (message: ToProcess) => {
    queue = queue.then(async () => {
      const bytes = clipBytes(message.request)
      if (buffer.byteLength < bytes) buffer = new Uint8Array(bytes)
      await send(await answer(decoder, message, buffer.subarray(0, bytes)))
    })
  })
}

/** From then on the process ends with its parent, whatever its main thread does. */
async function watchParent(): Promise<void> {
  const watch = new Worker(compiledEntry(import.meta.url, './parent-watch'))
  await once(watch, 'message')
  watch.unref()
}

async function answer(decoder: Decoder, { id, request, offset }: ToProcess, clips: Uint8Array): Promise<FromProcess> {
  try {
    const result = await readClip(decoder, request, clips)
    writeAll(clips, offset)
    return { kind: 'done', id, result }
  } catch (error) {
    return { kind: 'failed', id, failure: failureOf(error) }
  }
}

function writeAll(bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.byteLength) {
    written += writeSync(sharedDescriptor, bytes, written, bytes.byteLength - written, offset + written)
  }
}

function failureOf(error: unknown): { code: string; reason: string; hint?: string } {
  if (error instanceof VideoMaeError) return { code: error.code, reason: error.message, hint: error.hint }
  const text = error instanceof Error ? error.message : String(error)
  return { code: 'VIDEO_UNREADABLE', reason: text }
}

/** Resolves once the message is handed over, so that a crash in the next request cannot take this answer with it. */
function send(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, undefined, undefined, () => resolve())
  })
}

await main()
