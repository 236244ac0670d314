/** One file from the hub: what has arrived is kept for the next attempt, and nothing counts as arrived before its digest is right. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { nullIfMissing } from '../format/missing.ts'
import { readPieces } from '../format/regular-file.ts'
import { differs, refusedRequest, unreachable } from './errors.ts'
import type { HubReference } from './reference.ts'
import { ask, type Fetching, type HubFile, isTransient, mostAttempts, pause } from './repository.ts'
import type { HubSettings } from './settings.ts'

export interface DownloadOptions extends Fetching {
  /** Bytes of this file that are there. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Downloads a file, or the rest of it.
 *
 * @param target where it appears once it is whole and right
 * @param partial where it grows; what is there is the beginning of the same content
 * @throws VideoMaeError `HUB_UNREACHABLE`, `DOWNLOAD_DIFFERS`, and what `describeRepository` throws; the signal's reason
 */
export async function downloadFile(
  file: HubFile,
  { target, partial }: { readonly target: string; readonly partial: string },
  reference: HubReference,
  settings: HubSettings,
  options: DownloadOptions = {},
): Promise<void> {
  const { delay = 1000, signal } = options
  let last: unknown
  for (let attempt = 1, before = -1; attempt <= mostAttempts; attempt++) {
    const there = await sizeOf(partial)
    if (there === file.bytes) return publish(file, partial, target)
    if (there > file.bytes) await rm(partial, { force: true })
    if (there > before)
      attempt = 1 // it continues, however often the connection breaks
    else await pause(delay * 2 ** (attempt - 2), signal)
    before = there
    try {
      await receive(file, partial, there > file.bytes ? 0 : there, reference, settings, options)
    } catch (error) {
      signal?.throwIfAborted()
      if (!isTransient(error)) throw error
      last = error
    }
  }
  throw unreachable(
    reference,
    settings,
    `${file.name} did not arrive completely: ${(last as Error | undefined)?.message ?? 'the connection ended early'}`,
    last,
  )
}

async function receive(
  file: HubFile,
  partial: string,
  from: number,
  reference: HubReference,
  settings: HubSettings,
  { onBytes, ...fetching }: DownloadOptions,
): Promise<void> {
  const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` }
  const {
    status,
    body,
    headers: got,
  } = await ask(reference, settings, file.address, { ...fetching, headers, everywhere: true })
  const continues = status === 206 && got['content-range']?.startsWith(`bytes ${from}-`) === true
  if (status !== 200 && !continues) {
    body.destroy()
    if (status === 206 || status === 416) return void (await rm(partial, { force: true })) // begin again
    throw refusedRequest(status, file.name, reference, settings)
  }
  let count = continues ? from : 0
  onBytes?.(count)
  // Written at once: what a stream still holds when the connection breaks would be lost.
  const descriptor = openSync(partial, continues ? 'a' : 'w')
  try {
    await new Promise<void>((resolve, reject) => {
      body.on('error', reject).on('end', resolve)
      body.on('data', (piece: Buffer) => {
        try {
          count += piece.length
          if (count > file.bytes) throw differs(file.name, `${file.bytes} bytes`, 'more')
          writeFileSync(descriptor, piece)
          onBytes?.(count)
        } catch (error) {
          body.destroy(error as Error)
        }
      })
    })
  } catch (error) {
    if (count > file.bytes) await rm(partial, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

async function publish(file: HubFile, partial: string, target: string): Promise<void> {
  const digest = await digestOf(partial, file)
  if (digest !== file.etag) {
    await rm(partial, { force: true })
    throw differs(file.name, `the digest ${file.etag} from the hub`, digest)
  }
  const handle = await open(partial, 'r')
  try {
    await handle.sync() // a file under its name is trusted later
  } finally {
    await handle.close()
  }
  await rename(partial, target)
}

/** Whether a file that is there has the content that the hub names. */
export async function isWhole(target: string, file: HubFile): Promise<boolean> {
  return (await sizeOf(target)) === file.bytes && (await digestOf(target, file)) === file.etag
}

/** SHA-256, or SHA-1 of the git blob, whichever the hub names. */
async function digestOf(file: string, { etag, bytes }: HubFile): Promise<string> {
  const hash = createHash(etag.length === 64 ? 'sha256' : 'sha1')
  if (etag.length !== 64) hash.update(`blob ${bytes}\0`)
  await readPieces(file, {}, (piece) => hash.update(piece))
  return hash.digest('hex')
}

export async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(nullIfMissing))?.size ?? 0
}

/** Where a file grows in a folder of its own: the name has the content, so that no other content continues there. */
export function partialName({ name, etag }: Pick<HubFile, 'name' | 'etag'>): string {
  return `.${name}.${etag.slice(0, 16)}.part`
}

/** Removes beginnings of other contents of the same file. */
export async function removeOtherParts(folder: string, file: HubFile): Promise<void> {
  const pattern = /^\.(.+)\.[0-9a-f]{16}\.part$/
  for (const name of await readdir(folder)) {
    if (pattern.exec(name)?.[1] === file.name && name !== partialName(file)) await rm(path.join(folder, name))
  }
}
