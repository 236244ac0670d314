/** What the hub says about a repository and its files. */
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { describingFiles, sumsFile } from '../format/folder-sums.ts'
import { trainingManifestFile } from '../train/file-names.ts'
import { headFile } from '../train/weights-digest.ts'
import { invalidAnswer, refusedRequest, unreachable } from './errors.ts'
import type { HubReference } from './reference.ts'
import { type HubAnswer, type HubRequest, request } from './request.ts'
import type { HubSettings } from './settings.ts'

export interface HubRepository {
  readonly reference: HubReference
  /** 40 hexadecimal digits: all files come from this commit. */
  readonly commit: string
  /** As its page names it; null: not given. */
  readonly license: string | null
  /** Names of the files that are needed to load the weights here. */
  readonly files: readonly string[]
}

export interface HubFile {
  readonly name: string
  readonly address: string
  readonly bytes: number
  /** How the hub names the content: its digest, hexadecimal. */
  readonly etag: string
}

export type Fetching = HubRequest & {
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly delay?: number
}

const answerSchema = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(z.looseObject({ rfilename: z.string() })),
  cardData: z.looseObject({ license: z.string().nullish() }).nullish(),
})

/** Of the Hugging Face layout, then what this program writes next to its weights. */
const companions = [...describingFiles, headFile, sumsFile, trainingManifestFile]
const wholeWeights = 'model.safetensors'
const shardIndex = 'model.safetensors.index.json'
const shardName = /^model-(\d{5})-of-(\d{5})\.safetensors$/

/** Of the files of a repository, those that are needed to load it; empty where it has no weights in a supported format. */
export function neededFiles(names: readonly string[]): string[] {
  const weights = names.includes(wholeWeights)
    ? [wholeWeights]
    : names.includes(shardIndex)
      ? [shardIndex, ...names.filter((name) => shardName.test(name)).sort()]
      : []
  return weights.length === 0 ? [] : [...companions.filter((name) => names.includes(name)), ...weights]
}

/**
 * `model-00001-of-00003.safetensors` says how many belong together.
 *
 * @param files as `neededFiles` gives them
 * @returns null where the weights are whole
 */
export function whatIsMissing(files: readonly string[]): string | null {
  if (files.includes(wholeWeights)) return null
  const numbers = files.flatMap((name) => {
    const [, shard, of] = shardName.exec(name) ?? []
    return shard === undefined ? [] : [{ shard: Number(shard), of: Number(of) }]
  })
  const { of: count = 0 } = numbers[0] ?? {}
  const different = new Set(numbers.map(({ shard }) => shard)).size
  if (
    count > 0 &&
    different === count &&
    numbers.every(({ shard, of }) => of === count && shard >= 1 && shard <= count)
  )
    return null
  return count === 0 ? 'no shards' : `${different} of ${count} shards`
}

/**
 * @throws VideoMaeError `HUB_UNREACHABLE`, `HUB_NOT_FOUND`, `HUB_DENIED`, `HUB_ANSWER_INVALID`; `PYTORCH_FILE` and
 *   `SAFETENSORS_NOT_FOUND` for a repository without weights that are read here, or with a part of them
 */
export async function describeRepository(
  reference: HubReference,
  settings: HubSettings,
  fetching: Fetching = {},
): Promise<HubRepository> {
  const { repository, revision } = reference
  const address = `${settings.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`
  const answer = await ask(reference, settings, address, { ...fetching, everywhere: true })
  if (answer.status !== 200) {
    answer.body.destroy()
    throw refusedRequest(answer.status, repository, reference, settings)
  }
  const parsed = answerSchema.safeParse(parseJson(await bodyText(answer, reference, settings)))
  if (!parsed.success) throw invalidAnswer(settings, `a description of ${repository}`, 'something else')
  const { sha: commit, siblings, cardData } = parsed.data
  const names = siblings.map(({ rfilename }) => rfilename)
  const files = neededFiles(names)
  if (files.length === 0) throw withoutWeights(reference, names)
  const missing = whatIsMissing(files)
  if (missing !== null) throw inPart(reference, missing)
  return { reference, commit, license: cardData?.license ?? null, files }
}

const longestAnswer = 10_000_000

async function bodyText({ body }: HubAnswer, reference: HubReference, settings: HubSettings): Promise<string> {
  let length = 0
  body.on('data', (piece: Buffer) => {
    length += piece.length
    if (length > longestAnswer) body.destroy(new Error('the answer is too long'))
  })
  try {
    return await text(body)
  } catch (error) {
    throw unreachable(reference, settings, (error as Error).message, error)
  }
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return null
  }
}

function inPart({ repository, revision }: HubReference, found: string): VideoMaeError {
  return new VideoMaeError(`Expected all shards that belong to ${shardIndex} in ${repository}, but it has ${found}.`, {
    code: 'SAFETENSORS_NOT_FOUND',
    exit: 'data',
    hint: `Name a revision other than ${revision}, or another repository. Nothing was downloaded.`,
  })
}

function withoutWeights({ repository }: HubReference, names: readonly string[]): VideoMaeError {
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name))
  const found =
    pickle === undefined ? 'has no weights in a supported format' : `has weights as ${pickle} of PyTorch only`
  return new VideoMaeError(`Expected ${wholeWeights} or ${shardIndex} in ${repository}, which ${found}.`, {
    code: pickle === undefined ? 'SAFETENSORS_NOT_FOUND' : 'PYTORCH_FILE',
    exit: 'data',
    hint:
      pickle === undefined
        ? 'Name another repository.'
        : 'Download it in Python and convert it: docs/from-python.md has the code (under "Weights"). If a pull request on the hub adds safetensors, name its revision: OWNER/NAME@refs/pr/1.',
  })
}

/** @throws VideoMaeError as `describeRepository` */
export async function describeFile(
  { reference, commit }: HubRepository,
  name: string,
  settings: HubSettings,
  fetching: Fetching = {},
): Promise<HubFile> {
  const address = `${settings.endpoint}/${reference.repository}/resolve/${commit}/${name}`
  const { status, headers, body } = await ask(reference, settings, address, { ...fetching, method: 'HEAD' })
  body.destroy()
  // A file in large storage is answered with a redirect there, which is not followed: these headers describe the file.
  if (status !== 200 && !(status >= 301 && status <= 308)) throw refusedRequest(status, name, reference, settings)
  const etag = digestOf(headers['x-linked-etag'] ?? headers.etag)
  const bytes = Number(headers['x-linked-size'] ?? headers['content-length'])
  if (etag === null || !Number.isSafeInteger(bytes) || bytes < 1)
    throw invalidAnswer(
      settings,
      `size and digest of ${name} in its headers`,
      `"${headers['x-linked-etag'] ?? headers.etag}" and ${bytes} bytes`,
    )
  return { name, address, bytes, etag }
}

/** SHA-256 of files in large storage, and SHA-1 of a git blob for small ones. */
function digestOf(etag: string | string[] | undefined): string | null {
  const value = /^(?:W\/)?"?([0-9a-f]+)"?$/.exec([etag].flat()[0] ?? '')?.[1]
  return value?.length === 64 || value?.length === 40 ? value : null
}

/** Errors after which the same request may succeed. */
const transient: ReadonlySet<string> = new Set(['ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ECONNABORTED'])
const busy: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])
export const mostAttempts = 5

/** A request that is repeated while the hub is busy or the connection breaks. */
export async function ask(
  reference: HubReference,
  settings: HubSettings,
  address: string,
  { delay = 1000, ...options }: Fetching,
): Promise<HubAnswer> {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await request(address, settings, options)
      if (!busy.has(answer.status) || attempt === mostAttempts) return answer
      answer.body.destroy()
      await pause(Math.max(delay * 2 ** (attempt - 1), secondsOf(answer) * 1000), options.signal)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isTransient(error) || attempt === mostAttempts)
        throw unreachable(reference, settings, (error as Error).message, error)
      await pause(delay * 2 ** (attempt - 1), options.signal)
    }
  }
}

export const isTransient = (error: unknown): boolean => transient.has((error as NodeJS.ErrnoException).code ?? '')

/** `Retry-After`, at most a minute. */
const secondsOf = ({ headers }: HubAnswer): number => Math.min(60, Number(headers['retry-after'] ?? 0) || 0)

export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
