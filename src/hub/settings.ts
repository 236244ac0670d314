/** What the environment says about the model hub, with the variables that the Hugging Face tools read. */
import os from 'node:os'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'

export interface HubSettings {
  /** Address of the hub, or of a mirror of it, without a slash at its end. */
  readonly endpoint: string
  /** Sent to the endpoint, never to another host; null: none. */
  readonly token: string | null
  /** No connection may be made. */
  readonly offline: boolean
  /** Folder in which the Hugging Face tools keep what they downloaded. */
  readonly cache: string
  /** Address of the proxy for a request; null: none. */
  proxyFor(url: URL): URL | null
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * @throws VideoMaeError `INVALID_ARGUMENT` for a variable that holds no address
 */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const { HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment
  const home = filled(HF_HOME) ?? path.join(filled(XDG_CACHE_HOME) ?? path.join(os.homedir(), '.cache'), 'huggingface')
  const endpoint = filled(HF_ENDPOINT) ?? 'https://huggingface.co'
  addressOf('HF_ENDPOINT', endpoint)
  return {
    endpoint: endpoint.replace(/\/+$/, ''),
    token: filled(HF_TOKEN) ?? null,
    offline: ['1', 'on', 'yes', 'true'].includes((HF_HUB_OFFLINE ?? '').trim().toLowerCase()),
    cache: filled(HF_HUB_CACHE) ?? path.join(home, 'hub'),
    proxyFor: (url) => proxyOf(url, environment),
  }
}

/** A variable that is set to nothing counts as not set. */
const filled = (value: string | undefined): string | undefined => (value?.trim() === '' ? undefined : value?.trim())

function proxyOf(url: URL, environment: Environment): URL | null {
  const variable = (name: string): string | undefined =>
    filled(environment[name]) ?? filled(environment[name.toUpperCase()])
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy'
  const value = variable(name) ?? variable('all_proxy')
  if (value === undefined || isExcepted(url, variable('no_proxy') ?? '')) return null
  return addressOf(name.toUpperCase(), value.includes('://') ? value : `http://${value}`)
}

/** `no_proxy`: hosts, with everything below them, with or without a port; `*` for all. */
function isExcepted({ hostname, port, protocol }: URL, list: string): boolean {
  const usedPort = port || (protocol === 'https:' ? '443' : '80')
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true
    const [, host = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    if (host === '' || (only !== undefined && only !== usedPort)) return false
    return hostname === host || hostname.endsWith(`.${host}`)
  })
}

function addressOf(name: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new VideoMaeError(
    `Expected an address that begins with http:// or https:// in ${name}, but it is ${JSON.stringify(value)}.`,
    {
      code: 'INVALID_ARGUMENT',
      exit: 'usage',
      hint: `Correct the variable ${name}, or unset it.`,
    },
  )
}
