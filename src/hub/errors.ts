/** What goes wrong between this machine and the hub, in words. */
import { VideoMaeError } from '../core/errors.ts'
import type { HubReference } from './reference.ts'
import type { HubSettings } from './settings.ts'

/** How to get the files where this program cannot, one sentence. */
export function byHand({ repository, revision }: HubReference, { endpoint }: Pick<HubSettings, 'endpoint'>): string {
  const folder = repository.split('/')[1]
  const other = revision === 'main' ? '' : ` --revision ${revision}`
  return (
    `On a machine with a connection, run \`hf download ${repository}${other} --local-dir ${folder}\`, or save config.json, preprocessor_config.json and ` +
    `model.safetensors from ${endpoint}/${repository}/tree/${revision} in a folder ${folder}. Copy the folder to this machine and name it instead of the weights. Without any weights, \`--from pixels --readout motion\` of \`features\`, \`lethal-dose\` and \`certify\` reads raw colors.`
  )
}

export function unreachable(
  reference: HubReference,
  settings: HubSettings,
  why: string,
  cause?: unknown,
): VideoMaeError {
  return new VideoMaeError(`Expected to reach ${settings.endpoint} for ${reference.repository}, but ${why}.`, {
    code: 'HUB_UNREACHABLE',
    exit: 'environment',
    hint: `Check the connection and HTTPS_PROXY, and run the same command again: it continues the download. ${byHand(reference, settings)}`,
    cause,
  })
}

export function offline(reference: HubReference, settings: HubSettings): VideoMaeError {
  return new VideoMaeError(
    `Expected ${reference.repository} in ${settings.cache}, because HF_HUB_OFFLINE forbids connections, but it is not there.`,
    {
      code: 'HUB_OFFLINE',
      exit: 'environment',
      hint: byHand(reference, settings),
    },
  )
}

/** @param what the file or the repository that was asked for */
export function refusedRequest(
  status: number,
  what: string,
  reference: HubReference,
  settings: HubSettings,
): VideoMaeError {
  const { repository, revision } = reference
  if (status === 404) {
    return new VideoMaeError(
      `Expected ${what} on ${settings.endpoint}, which has nothing with that name (revision ${revision}).`,
      {
        code: 'HUB_NOT_FOUND',
        exit: 'data',
        hint: `Look up its name and its revisions at ${settings.endpoint}/${repository}.`,
      },
    )
  }
  if (status === 401 || status === 403) {
    const token = settings.token === null ? 'no token was sent' : 'the token in HF_TOKEN does not permit it'
    return new VideoMaeError(
      `Expected ${what} from ${settings.endpoint}, but the server refused it with status ${status}: ${token}.`,
      {
        code: 'HUB_DENIED',
        exit: 'data',
        hint: `The hub gives the same answer for names that do not exist: check ${repository}. For private or gated weights, accept the terms on their page, create a token and set HF_TOKEN.`,
      },
    )
  }
  return invalidAnswer(settings, `${what} with status 200`, `status ${status}`)
}

export function invalidAnswer({ endpoint }: HubSettings, expected: string, came: string): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} from ${endpoint}, but received ${came}.`, {
    code: 'HUB_ANSWER_INVALID',
    exit: 'environment',
    hint: 'Try again later. If HF_ENDPOINT names a mirror, try without it.',
  })
}

export function differs(file: string, expected: string, came: string): VideoMaeError {
  return new VideoMaeError(`Expected ${file} with ${expected}, but received a file with ${came}.`, {
    code: 'DOWNLOAD_DIFFERS',
    exit: 'data',
    hint: 'The received file was removed. Run the same command again; if that does not help, do not use this source (HF_ENDPOINT, HTTPS_PROXY).',
  })
}
