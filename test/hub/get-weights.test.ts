/** Weights from a hub on this machine: what arrives is right or nothing, whatever the connection does. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { gottenLines } from '../../src/cli/get.ts'
import { type GetOptions, getWeights, weightsInCache } from '../../src/hub/get-weights.ts'
import { type KnownWeights, parseReference } from '../../src/hub/reference.ts'
import { type HubSettings, hubSettings } from '../../src/hub/settings.ts'
import { commit, HubServer, type Received, sha256 } from '../support/hub-server.ts'

const weights = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * i) % 251))
const config = Buffer.from('{"model_type": "videomae"}')
const model = { 'config.json': config, 'model.safetensors': weights, 'README.md': Buffer.from('read me') }
const shards = {
  'config.json': config,
  'preprocessor_config.json': Buffer.from('{}'),
  'model.safetensors.index.json': Buffer.from('{"weight_map": {}}'),
  'model-00001-of-00002.safetensors': weights.subarray(0, 10),
  'model-00002-of-00002.safetensors': weights.subarray(10, 30),
  'pytorch_model.bin': Buffer.from('pickle'),
}
const repositories = {
  'some/model': model,
  'some/shards': shards,
  'some/pickle': { 'config.json': config, 'pytorch_model.bin': Buffer.from('pickle') },
  'some/part': {
    'config.json': config,
    'model.safetensors.index.json': Buffer.from('{"weight_map": {}}'),
    'model-00002-of-00002.safetensors': weights.subarray(10, 30),
  },
  'some/index': { 'config.json': config, 'model.safetensors.index.json': Buffer.from('{"weight_map": {}}') },
  'some/nothing': { 'README.md': Buffer.from('read me') },
}

let server: HubServer
let folder: string
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-hub-'))
  server = new HubServer(repositories)
  await server.start()
})
afterEach(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

const settings = (more: Record<string, string> = {}): HubSettings =>
  hubSettings({ HF_ENDPOINT: server.endpoint, HF_HOME: inFolder('home'), ...more })
const get = (name: string, options: GetOptions = {}) =>
  getWeights(name, inFolder('weights'), { settings: settings(), delay: 1, ...options })
const atStorage = ({ url }: Received): boolean => url === '/some/model/model.safetensors'
const there = (): string[] => readdirSync(inFolder('weights')).sort()

describe('get', () => {
  test('asks for nothing that does not fit on the disk; what has arrived does not count again', async () => {
    const sizes = config.length + weights.length
    const full = get('some/model', { freeBytes: async () => sizes - 1 })
    await expect(full).rejects.toMatchObject({ code: 'DISK_TOO_SMALL', message: expect.stringContaining('0.1 MB') })
    expect(server.received.some(atStorage)).toBe(false)
    expect(existsSync(inFolder('weights'))).toBe(false)
    // The configuration arrives, the weights in part: only the rest has to fit.
    await get('some/model', { freeBytes: async () => sizes })
    rmSync(inFolder('weights', 'model.safetensors'))
    expect((await get('some/model', { freeBytes: async () => weights.length })).received).toBe(weights.length)
    rmSync(inFolder('weights', 'model.safetensors'))
    expect((await get('some/model', { freeBytes: async () => null })).received).toBe(weights.length)
  })

  test('downloads what is needed to load the weights, and a record of where it comes from', async () => {
    const gotten = await get('some/model')
    expect(gotten).toMatchObject({ repository: 'some/model', commit, license: 'cc-by-nc-4.0' })
    expect(gotten.received).toBe(config.length + weights.length)
    expect(there()).toEqual(['config.json', 'download.json', 'model.safetensors'])
    expect(readFileSync(inFolder('weights', 'model.safetensors')).equals(weights)).toBe(true)
    expect(JSON.parse(readFileSync(inFolder('weights', 'download.json'), 'utf8'))).toMatchObject({
      commit,
      endpoint: server.endpoint,
      files: [{ name: 'config.json' }, { name: 'model.safetensors', digest: sha256(weights) }],
    })
  })

  test('downloads nothing that is there', async () => {
    await get('some/model')
    const before = server.received.length
    expect((await get('some/model')).received).toBe(0)
    expect(server.received.slice(before).map(({ method, url }) => `${method} ${url.split('/')[1]}`)).toEqual([
      'GET api',
      'HEAD some',
      'HEAD some',
    ])
  })

  test.each([
    ['some/part', '1 of 2 shards'],
    ['some/index', 'no shards'],
  ])('refuses %s, which has a part of its weights', async (name, found) => {
    const error = { code: 'SAFETENSORS_NOT_FOUND', message: expect.stringContaining(found) }
    await expect(get(name)).rejects.toMatchObject(error)
    expect(existsSync(inFolder('weights'))).toBe(false)
    const options = { settings: settings(), delay: 1 }
    await expect(weightsInCache(parseReference(name), options)).rejects.toMatchObject(error)
  })

  test('downloads shards with their index', async () => {
    await get('some/shards')
    expect(there()).toEqual(
      [...Object.keys(shards).filter((name) => name !== 'pytorch_model.bin'), 'download.json'].sort(),
    )
  })

  test('continues where the connection broke, however often', async () => {
    server.fault.cuts = [1000, 2000, 3000, 100, 100, 100, 100, 100]
    await get('some/model')
    expect(readFileSync(inFolder('weights', 'model.safetensors')).equals(weights)).toBe(true)
    const ranges = server.received.filter(atStorage).flatMap(({ headers }) => headers.range ?? [])
    expect(ranges.slice(0, 3)).toEqual(['bytes=1000-', 'bytes=3000-', 'bytes=6000-'])
  })

  test('keeps what has arrived for the next command', async () => {
    server.fault.cuts = [1000, 0, 0, 0, 0, 0]
    await expect(get('some/model')).rejects.toMatchObject({ code: 'HUB_UNREACHABLE', exit: 'environment' })
    expect(there()).toContain(`.model.safetensors.${sha256(weights).slice(0, 16)}.part`)
    server.fault.cuts = []
    expect((await get('some/model')).received).toBe(weights.length - 1000)
    expect(there()).toEqual(['config.json', 'download.json', 'model.safetensors'])
  })

  test('begins again where the storage knows no ranges', async () => {
    Object.assign(server.fault, { cuts: [1000], noRanges: true })
    await get('some/model')
    expect(readFileSync(inFolder('weights', 'model.safetensors')).equals(weights)).toBe(true)
  })

  test('never continues the beginning of another content', async () => {
    mkdirSync(inFolder('weights'))
    writeFileSync(inFolder('weights', '.model.safetensors.0123456789abcdef.part'), 'other')
    expect((await get('some/model')).received).toBe(config.length + weights.length)
    expect(there()).toEqual(['config.json', 'download.json', 'model.safetensors'])
  })

  test('keeps nothing of a wrong content', async () => {
    server.fault.corrupt = true
    await expect(get('some/model')).rejects.toMatchObject({ code: 'DOWNLOAD_DIFFERS', exit: 'data' })
    expect(there()).toEqual(['config.json'])
  })

  test('refuses weights that are not those of the list, before they are downloaded', async () => {
    const known = { name: 'model', repository: 'some/model', sha256: 'f'.repeat(64) } as KnownWeights
    const got = getWeights({ repository: 'some/model', revision: 'main', known }, inFolder('weights'), {
      settings: settings(),
    })
    await expect(got).rejects.toMatchObject({ code: 'DOWNLOAD_DIFFERS' })
    expect(existsSync(inFolder('weights', 'model.safetensors'))).toBe(false)
  })

  test('says whether the digest is known, or the hub alone names it', async () => {
    const reference = { repository: 'some/model', revision: 'main' }
    const known = { name: 'model', repository: 'some/model', sha256: sha256(weights) } as KnownWeights
    const options = { settings: settings() }
    const verified = await getWeights({ ...reference, known }, inFolder('weights'), options)
    expect(gottenLines(verified)).toContain(
      'digests: match those of the hub; that of the weights also matches models/weights.json',
    )
    const others = [
      { ...reference, known: { ...known, sha256: null } },
      { ...reference, known, revision: commit },
      { ...reference, known: null },
    ]
    for (const other of others) {
      const lines = gottenLines(await getWeights(other, inFolder('weights'), options))
      expect(lines).toContainEqual(expect.stringContaining('models/weights.json has no digest of these weights'))
    }
  })

  test('refuses weights that have changed since they were downloaded into the folder, also where they were removed', async () => {
    await get('some/model')
    rmSync(inFolder('weights', 'model.safetensors'))
    await server.stop()
    server = new HubServer({ 'some/model': { ...model, 'model.safetensors': weights.subarray(1) } })
    await server.start()
    const changed = get('some/model')
    await expect(changed).rejects.toMatchObject({
      code: 'DOWNLOAD_DIFFERS',
      message: expect.stringContaining(sha256(weights)),
      hint: expect.stringContaining(`some/model@${commit}`),
    })
    expect(there()).toEqual(['config.json', 'download.json'])
    rmSync(inFolder('weights', 'download.json'))
    expect((await get('some/model')).received).toBe(weights.length - 1)
  })

  test('replaces no file of others', async () => {
    mkdirSync(inFolder('weights'))
    writeFileSync(inFolder('weights', 'config.json'), 'mine')
    await expect(get('some/model')).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
    expect(there()).toEqual(['config.json'])
    expect(readFileSync(inFolder('weights', 'config.json'), 'utf8')).toBe('mine')
  })

  test('waits for a hub that is busy, and gives up in the end', async () => {
    server.fault.statuses = [503, 429]
    await get('some/model')
    rmSync(inFolder('weights'), { recursive: true })
    server.fault.statuses = [503, 503, 503, 503, 503]
    await expect(get('some/model')).rejects.toMatchObject({ code: 'HUB_ANSWER_INVALID' })
  })

  test.each([
    ['some/missing', 'HUB_NOT_FOUND'],
    ['some/model@other', 'HUB_NOT_FOUND'],
    ['some/pickle', 'PYTORCH_FILE'],
    ['some/nothing', 'SAFETENSORS_NOT_FOUND'],
  ])('%s: %s, and no folder', async (name, code) => {
    await expect(get(name)).rejects.toMatchObject({ code, exit: 'data' })
    expect(existsSync(inFolder('weights'))).toBe(false)
  })

  test('refuses files without a digest', async () => {
    server.fault.noDigests = true
    await expect(get('some/model')).rejects.toMatchObject({ code: 'HUB_ANSWER_INVALID' })
  })

  test('says what to fetch by hand where there is no connection', async () => {
    const alone = settings({ HF_HUB_OFFLINE: '1' })
    const error = await get('some/model', { settings: alone }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'HUB_OFFLINE', hint: expect.stringContaining('hf download some/model') })
    expect(server.received).toEqual([])
    const nowhere = settings({ HF_ENDPOINT: 'http://127.0.0.1:9' })
    await expect(get('some/model', { settings: nowhere })).rejects.toMatchObject({ code: 'HUB_UNREACHABLE' })
  })

  test('stops at once on request', async () => {
    const stop = new AbortController()
    server.fault.cuts = [1000, 0, 0, 0, 0, 0]
    const reason = new Error('enough')
    const got = get('some/model', {
      signal: stop.signal,
      delay: 60_000,
      onProgress: (done) => done > 900 && stop.abort(reason),
    })
    await expect(got).rejects.toBe(reason)
  })
})

describe('the token', () => {
  test('goes to the hub and not to its storage', async () => {
    server.fault.token = 'secret'
    await expect(get('some/model')).rejects.toMatchObject({ code: 'HUB_DENIED', exit: 'data' })
    await get('some/model', { settings: settings({ HF_TOKEN: 'secret' }) })
    const stored = server.received.filter(atStorage)
    expect(stored.length).toBe(1)
    expect(stored[0].headers.authorization).toBeUndefined()
  })
})

describe('a proxy', () => {
  test('gets every request for http, and none for hosts that are excepted', async () => {
    const asked: string[] = []
    const proxy = http.createServer((request, response) => {
      asked.push(request.url ?? '')
      const onward = http.request(request.url!, { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      onward.end()
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    try {
      const http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
      await get('some/model', { settings: settings({ http_proxy }) })
      expect(asked.length).toBe(server.received.length)
      await get('some/model', { settings: settings({ http_proxy, NO_PROXY: 'example.org, 127.0.0.1' }) })
      expect(asked.length).toBeLessThan(server.received.length)
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })

  test('opens a tunnel for https, and its refusal is told', async () => {
    const asked: string[] = []
    const proxy = http.createServer()
    proxy.on('connect', ({ url, headers }, socket) => {
      asked.push(`${url} ${headers['proxy-authorization']}`)
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    try {
      const HTTPS_PROXY = `http://me:pass@127.0.0.1:${(proxy.address() as AddressInfo).port}`
      const far = settings({ HF_ENDPOINT: 'https://hub.invalid', HTTPS_PROXY })
      await expect(get('some/model', { settings: far })).rejects.toMatchObject({
        code: 'HUB_UNREACHABLE',
        message: expect.stringContaining('refuses the connection with status 403'),
      })
      expect(asked).toEqual([`hub.invalid:443 Basic ${Buffer.from('me:pass').toString('base64')}`])
    } finally {
      proxy.close()
    }
  })
})

describe('hf: in the place of a checkpoint', () => {
  const open = (name: string, options: GetOptions = {}) =>
    weightsInCache(parseReference(name), { settings: settings(), delay: 1, ...options })

  test('is downloaded into the cache of the Hugging Face tools, once', async () => {
    const snapshot = await open('hf:some/model')
    expect(snapshot).toBe(inFolder('home/hub/models--some--model/snapshots', commit))
    expect(readFileSync(path.join(snapshot, 'model.safetensors')).equals(weights)).toBe(true)
    expect(readFileSync(inFolder('home/hub/models--some--model/refs/main'), 'utf8')).toBe(commit)
    expect(readdirSync(inFolder('home/hub/models--some--model')).sort()).toEqual(['blobs', 'refs', 'snapshots'])
    const before = server.received.length
    expect(await open('some/model', { settings: settings({ HF_HUB_OFFLINE: 'yes' }) })).toBe(snapshot)
    expect(await open(`some/model@${commit}`)).toBe(snapshot)
    expect(server.received.length).toBe(before)
  })

  test('is downloaded by one of several processes', async () => {
    const [one, other] = await Promise.all([open('some/shards'), open('some/shards')])
    expect(one).toBe(other)
    expect(server.received.filter(({ url }) => url === '/some/shards/model-00001-of-00002.safetensors').length).toBe(1)
  })

  test('is not taken from a cache that lacks a shard', async () => {
    const snapshot = await open('some/shards')
    rmSync(path.join(snapshot, 'model-00002-of-00002.safetensors'))
    const alone = settings({ HF_HUB_OFFLINE: '1' })
    await expect(open('some/shards', { settings: alone })).rejects.toMatchObject({ code: 'HUB_OFFLINE' })
    expect(await open('some/shards')).toBe(snapshot)
    expect(existsSync(path.join(snapshot, 'model-00002-of-00002.safetensors'))).toBe(true)
  })
})
