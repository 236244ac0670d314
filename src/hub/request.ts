/** Requests to the model hub. No other file of the program makes a connection to another machine. */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { connect as secureConnect } from 'node:tls'
import { packageVersion } from '../core/package-version.ts'
import type { HubSettings } from './settings.ts'

export interface HubRequest {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** Follow redirects to other hosts as well. A redirect that is not followed is the answer. */
  readonly everywhere?: boolean
  readonly signal?: AbortSignal
  /** Milliseconds without a byte after which the connection counts as lost. */
  readonly idle?: number
}

export interface HubAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly url: URL
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage
}

const mostRedirects = 8
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Sends one request, and follows redirects. The token goes to the host of the endpoint alone, and nothing leaves TLS.
 *
 * @throws the error of the connection; the signal's reason
 */
export async function request(address: string, settings: HubSettings, options: HubRequest = {}): Promise<HubAnswer> {
  let url = new URL(address)
  for (let count = 0; ; count++) {
    const answer = await send(url, settings, options)
    const { location } = answer.headers
    if (!redirects.has(answer.status) || location === undefined || !URL.canParse(location, url.href)) return answer
    const next = new URL(location, url)
    if (options.everywhere !== true && next.host !== url.host) return answer
    answer.body.destroy()
    if (count === mostRedirects) throw new Error(`${url.host} redirects more than ${mostRedirects} times`)
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || url.protocol === 'https:'))
      throw new Error(`${url.host} redirects to ${next.protocol}//${next.host}, which is not encrypted`)
    url = next
  }
}

async function send(url: URL, settings: HubSettings, options: HubRequest): Promise<HubAnswer> {
  const { method = 'GET', headers = {}, signal, idle = 30_000 } = options
  signal?.throwIfAborted()
  const own = url.host === new URL(settings.endpoint).host
  const sent = {
    'user-agent': `videomae/${packageVersion()}`,
    'accept-encoding': 'identity',
    ...(own && settings.token !== null ? { authorization: `Bearer ${settings.token}` } : {}),
    ...headers,
  }
  const route = await routeOf(url, settings.proxyFor(url), idle, signal)
  return new Promise((resolve, reject) => {
    const outgoing = route.module.request({ ...route.target, method, headers: { ...sent, ...route.headers }, signal })
    outgoing.setTimeout(idle, () => outgoing.destroy(timedOut(url, idle)))
    outgoing.on('error', (error) => reject(signal?.aborted === true ? signal.reason : error))
    outgoing.on('response', (body) => resolve({ status: body.statusCode ?? 0, headers: body.headers, url, body }))
    outgoing.end()
  })
}

/** As the operating system says it. */
const lost = 'ETIMEDOUT'

const timedOut = (url: URL, idle: number): Error =>
  Object.assign(new Error(`${url.host} has sent nothing for ${idle / 1000} s`), { code: lost })

interface Route {
  readonly module: Pick<typeof http, 'request'>
  readonly target: http.RequestOptions
  readonly headers: Readonly<Record<string, string>>
}

/** Directly, or through a proxy: a tunnel for https, the whole address for http. */
async function routeOf(url: URL, proxy: URL | null, idle: number, signal?: AbortSignal): Promise<Route> {
  const target = { hostname: bare(url.hostname), port: url.port, path: `${url.pathname}${url.search}` }
  const secure = url.protocol === 'https:'
  if (proxy === null) return { module: secure ? https : http, target: { ...target, agent: false }, headers: {} }
  const viaProxy = { hostname: bare(proxy.hostname), port: proxy.port }
  const module = proxy.protocol === 'https:' ? https : http
  const authorization: Record<string, string> = proxy.username === '' ? {} : { 'proxy-authorization': basic(proxy) }
  if (!secure) {
    const headers = { host: url.host, ...authorization }
    return { module, target: { ...viaProxy, path: url.href, agent: false }, headers }
  }
  const authority = `${url.hostname}:${url.port || 443}`
  const socket = await new Promise<http.ClientRequest['socket']>((resolve, reject) => {
    const headers = { host: authority, ...authorization }
    const tunnel = module.request({ ...viaProxy, method: 'CONNECT', path: authority, headers, signal, agent: false })
    tunnel.setTimeout(idle, () => tunnel.destroy(timedOut(proxy, idle)))
    tunnel.on('error', reject)
    tunnel.on('connect', ({ statusCode }, opened) => {
      if (statusCode === 200) return resolve(opened)
      opened.destroy()
      reject(new Error(`the proxy ${proxy.host} refuses the connection with status ${statusCode}`))
    })
    tunnel.end()
  })
  const createConnection = () => secureConnect({ socket: socket ?? undefined, servername: url.hostname })
  return { module: https, target: { ...target, agent: false, createConnection }, headers: {} }
}

/** Without the brackets of an IPv6 address. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

const basic = ({ username, password }: URL): string =>
  `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
