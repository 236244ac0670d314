import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'] as const

/** A Chromium to test in: VIDEOMAE_CHROMIUM, else the first that PATH has; null where there is none. */
export function findChromium(environment: NodeJS.ProcessEnv = process.env): string | null {
  const folders = (environment.PATH ?? '').split(path.delimiter)
  const candidates = [
    environment.VIDEOMAE_CHROMIUM,
    ...names.flatMap((name) => folders.map((folder) => path.join(folder, name))),
  ]
  return candidates.find((location): location is string => location !== undefined && isExecutable(location)) ?? null
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const page = `<!doctype html><script type="module">
const send = (result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) })
try {
  const ort = await import('/ort.wasm.bundle.min.mjs')
  ort.env.wasm.wasmPaths = '/'
  ort.env.wasm.numThreads = 1
  const { shape } = await (await fetch('/clip.json')).json()
  const clip = new Uint8Array(await (await fetch('/clip.bin')).arrayBuffer())
  const session = await ort.InferenceSession.create('/model.onnx')
  const outputs = await session.run({ [session.inputNames[0]]: new ort.Tensor('uint8', clip, shape) })
  await send({ logits: Array.from(outputs.logits.data), agent: navigator.userAgent })
} catch (error) {
  await send({ error: String(error?.stack ?? error) })
}
</script>`

export interface BrowserRun {
  /** The file and the clips to show it, uint8 of `shape`. */
  readonly model: string
  readonly clips: Uint8Array
  readonly shape: readonly number[]
  readonly timeoutSeconds: number
}

/** Runs an ONNX file with onnxruntime-web in a headless Chromium and returns its output `logits`. */
export async function runInBrowser(
  chromium: string,
  { model, clips, shape, timeoutSeconds }: BrowserRun,
): Promise<number[]> {
  const library = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web'))
  const { logits } = (await openPage(chromium, {
    timeoutSeconds,
    async fileOf(pathname) {
      if (pathname === '/') return { type: 'text/html', body: page }
      if (pathname === '/clip.json') return { type: 'application/json', body: JSON.stringify({ shape }) }
      if (pathname === '/clip.bin') return { type: 'application/octet-stream', body: clips }
      if (pathname === '/model.onnx') return { type: 'application/octet-stream', body: await readFile(model) }
      if (/^\/ort[\w.-]*\.(mjs|wasm)$/.test(pathname)) return staticFile(library, pathname)
      return null
    },
  })) as { readonly logits: number[] }
  return logits
}

export interface ServedFile {
  readonly type: string
  readonly body: string | Uint8Array
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.mp4': 'video/mp4',
  '.wasm': 'application/wasm',
}

/** A file of a folder, with the type that a server of static files gives it. */
export async function staticFile(folder: string, pathname: string): Promise<ServedFile> {
  const type = types[path.extname(pathname)] ?? 'application/octet-stream'
  return { type, body: await readFile(path.join(folder, path.basename(pathname))) }
}

export interface PageOptions {
  /** What the server answers for a path; null for 404. The browser opens `/`. */
  readonly fileOf: (pathname: string) => Promise<ServedFile | null>
  readonly timeoutSeconds: number
  /** Further flags of the browser. */
  readonly flags?: readonly string[]
}

/** Opens a page in a headless Chromium and returns what it posts to `/result` as JSON; rejects if that has an `error`. */
export async function openPage(
  chromium: string,
  { fileOf, timeoutSeconds, flags = [] }: PageOptions,
): Promise<unknown> {
  const { promise, resolve, reject } = deferred<unknown>()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/result') {
      const result = JSON.parse(await bodyOf(request)) as { error?: string }
      if (result.error === undefined) resolve(result)
      else reject(new Error(`In the browser: ${result.error}`))
      response.end()
      return
    }
    const file = await fileOf(pathname)
    if (file === null) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': file.type }).end(file.body)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(reject)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const profile = mkdtempSync(path.join(os.tmpdir(), 'videomae-chromium-'))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  // Without a sandbox: containers seldom allow one, and the page is ours.
  const always = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
  const browser = spawn(chromium, [...always, ...flags, `--user-data-dir=${profile}`, url], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: process.platform !== 'win32', // a process group of its own, to end its helpers with it
  })
  let said = ''
  browser.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-2000)
  })
  browser.on('error', reject)
  browser.on('exit', (code) => reject(new Error(`The browser ended with ${code}: ${said}`)))
  const timer = setTimeout(() => reject(new Error(`No answer from the browser: ${said}`)), 1000 * timeoutSeconds)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    await ended(browser)
    server.closeAllConnections()
    server.close()
    // Its helper processes end a little later, and write until then.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

function deferred<T>() {
  let resolve!: (value: T) => void
  let reject!: (reason: Error) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

async function ended(browser: ChildProcess): Promise<void> {
  if (browser.exitCode !== null || browser.signalCode !== null || browser.pid === undefined) return
  const exit = once(browser, 'exit')
  if (process.platform === 'win32') browser.kill('SIGKILL')
  else process.kill(-browser.pid, 'SIGKILL')
  await exit
}
