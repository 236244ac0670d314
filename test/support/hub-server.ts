/** A server on this machine that speaks the protocol of the model hub, with faults on request. */
import { createHash } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

export interface HubFault {
  /** Statuses that the next requests for files get, before anything else. */
  statuses: number[]
  /** Bodies that end after so many bytes, one for each of the next requests to the storage. */
  cuts: number[]
  /** Sends other bytes of the same length. */
  corrupt: boolean
  /** The storage knows no ranges. */
  noRanges: boolean
  /** Digests and sizes in the headers. */
  noDigests: boolean
  /** Requests without this token are refused. */
  token: string | null
}

export const commit = '0123456789abcdef0123456789abcdef01234567'
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const blobDigest = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

/** Servers of the hub and of its storage: two hosts, as on the internet. Files named .safetensors are in the storage. */
export class HubServer {
  readonly received: Received[] = []
  readonly fault: HubFault = { statuses: [], cuts: [], corrupt: false, noRanges: false, noDigests: false, token: null }
  endpoint = ''
  private storage = ''
  private readonly repositories: Readonly<Record<string, Readonly<Record<string, Buffer>>>>
  private readonly servers: http.Server[] = []

  constructor(repositories: Readonly<Record<string, Readonly<Record<string, Buffer>>>>) {
    this.repositories = repositories
  }

  async start(): Promise<void> {
    this.endpoint = await this.listen((request, response) => this.hub(request, response))
    this.storage = await this.listen((request, response) => this.store(request, response))
  }

  async stop(): Promise<void> {
    for (const server of this.servers) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  private async listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = http.createServer((request, response) => {
      this.received.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
      answer(request, response)
    })
    this.servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  private hub(request: IncomingMessage, response: ServerResponse): void {
    const { token, statuses, noDigests } = this.fault
    const end = (status: number, headers: http.OutgoingHttpHeaders = {}, body = '') =>
      response.writeHead(status, headers).end(body)
    const url = request.url ?? ''
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) return void end(401)
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(url)
    if (api !== null) {
      const files = this.repositories[api[1]]
      if (files === undefined || !['main', commit].includes(decodeURIComponent(api[2]))) return void end(404)
      const siblings = Object.keys(files).map((rfilename) => ({ rfilename }))
      return void end(200, {}, JSON.stringify({ sha: commit, siblings, cardData: { license: 'cc-by-nc-4.0' } }))
    }
    const [, repository, revision, name] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url) ?? []
    const bytes = this.repositories[repository ?? '']?.[name ?? '']
    if (bytes === undefined || revision !== commit) return void end(404)
    const status = statuses.shift()
    if (status !== undefined) return void end(status)
    if (name.endsWith('.safetensors')) {
      const linked = noDigests ? {} : { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': String(bytes.length) }
      return void end(302, { location: `${this.storage}/${repository}/${name}`, 'x-repo-commit': commit, ...linked })
    }
    response.writeHead(200, { etag: `"${blobDigest(bytes)}"`, 'content-length': String(bytes.length) })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }

  private store(request: IncomingMessage, response: ServerResponse): void {
    const [, repository, name] = /^\/([^/]+\/[^/]+)\/(.+)$/.exec(request.url ?? '') ?? []
    const whole = this.repositories[repository][name]
    const bytes = this.fault.corrupt ? Buffer.from(whole.map((byte) => byte ^ 1)) : whole
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
    const from = range === null || this.fault.noRanges ? 0 : Number(range[1])
    const rest = bytes.subarray(from)
    const headers = { 'content-length': String(rest.length) }
    const part = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(from > 0 ? 206 : 200, from > 0 ? { ...headers, ...part } : headers)
    const cut = this.fault.cuts.shift()
    if (cut === undefined) return void response.end(rest)
    response.write(rest.subarray(0, cut), () => response.socket?.end())
  }
}
