/** A headless Chromium that a test drives. Messages of its DevTools protocol go through two pipes, so no port and no library is needed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'

type Values = Readonly<Record<string, unknown>>

interface Waiting {
  readonly resolve: (result: Values) => void
  readonly reject: (error: Error) => void
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Values
  readonly sessionId?: string
  readonly result?: Values
  readonly error?: { readonly message: string }
}

/** How a page is shown. */
export interface View {
  /** CSS pixels. */
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
  /** Default: `screen`. */
  readonly media?: 'screen' | 'print'
  /** Whether the reader has asked for less motion. Default: no. */
  readonly still?: boolean
}

/** The browser. Close it, or its processes stay. */
export class Browser {
  private readonly process: ChildProcess
  private readonly profile: string
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Set<(message: Message) => void>()
  private last = 0
  private said = ''

  constructor(program: string) {
    this.profile = mkdtempSync(path.join(os.tmpdir(), 'videomae-chromium-'))
    // Without a sandbox: containers seldom allow one, and the pages are ours.
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    this.process = spawn(program, [...flags, '--remote-debugging-pipe', `--user-data-dir=${this.profile}`], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // a process group of its own, to end its helpers with it
    })
    this.process.stderr?.on('data', (data: Buffer) => {
      this.said = (this.said + data.toString()).slice(-2000)
    })
    this.process.on('error', (error) => this.fail(error))
    this.process.on('exit', (code) => this.fail(new Error(`The browser ended with ${code}: ${this.said}`)))
    let text = ''
    const output = this.process.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (piece: string) => {
      const messages = (text + piece).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.receive(JSON.parse(message) as Message)
    })
    ;(this.process.stdio[3] as Writable).on('error', (error) => this.fail(error))
  }

  /** A new tab. */
  async open(): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const tab = new Tab(this, sessionId as string)
    await tab.send('Page.enable')
    return tab
  }

  /** @throws Error with the message of the browser */
  send(method: string, params: Values = {}, sessionId?: string): Promise<Values> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      ;(this.process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  }

  /** The next event of a tab. */
  next(sessionId: string, method: string): Promise<Values> {
    return new Promise((resolve) => {
      const listener = (message: Message): void => {
        if (message.sessionId !== sessionId || message.method !== method) return
        this.listeners.delete(listener)
        resolve(message.params ?? {})
      }
      this.listeners.add(listener)
    })
  }

  async close(): Promise<void> {
    const { pid, exitCode, signalCode } = this.process
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const exit = once(this.process, 'exit')
      if (process.platform === 'win32') this.process.kill('SIGKILL')
      else process.kill(-pid, 'SIGKILL')
      await exit
    }
    // Its helper processes end a little later, and write until then.
    await rm(this.profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }

  private receive(message: Message): void {
    for (const listener of [...this.listeners]) listener(message)
    if (message.id === undefined) return
    const waiting = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.result ?? {})
    else waiting?.reject(new Error(`The browser: ${message.error.message}`))
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error)
    this.waiting.clear()
  }
}

/** One page. */
export class Tab {
  private readonly browser: Browser
  private readonly session: string

  constructor(browser: Browser, session: string) {
    this.browser = browser
    this.session = session
  }

  send(method: string, params: Values = {}): Promise<Values> {
    return this.browser.send(method, params, this.session)
  }

  next(method: string): Promise<Values> {
    return this.browser.next(this.session, method)
  }

  /** Opens an address and waits until it is loaded. */
  async go(url: string): Promise<void> {
    const loaded = this.next('Page.loadEventFired')
    await this.send('Page.navigate', { url })
    await loaded
  }

  async show({ width, height, scheme, media = 'screen', still = false }: View): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 })
    const features = [
      { name: 'prefers-color-scheme', value: scheme },
      { name: 'prefers-reduced-motion', value: still ? 'reduce' : 'no-preference' },
    ]
    await this.send('Emulation.setEmulatedMedia', { media, features })
  }

  /** The value of an expression, or of the promise that it is. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      ...{ expression, returnByValue: true, awaitPromise: true },
    })) as { readonly result: { readonly value: Value }; readonly exceptionDetails?: unknown }
    if (exceptionDetails !== undefined) throw new Error(`In the page: ${JSON.stringify(exceptionDetails)}`)
    return result.value
  }

  /** Waits until an expression is true. @throws Error with the text of the page where that takes longer than any busy machine needs */
  async until(expression: string, seconds = 120): Promise<void> {
    for (const began = performance.now(); !(await this.evaluate<boolean>(expression)); ) {
      if (performance.now() - began > 1000 * seconds)
        throw new Error(`${expression}: not in ${await this.evaluate<string>('document.body.innerText')}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async press(key: 'Tab' | 'Enter'): Promise<void> {
    const code = { Tab: 9, Enter: 13 }[key]
    const event = { key, code: key, windowsVirtualKeyCode: code, ...(key === 'Enter' ? { text: '\r' } : {}) }
    await this.send('Input.dispatchKeyEvent', { type: key === 'Enter' ? 'keyDown' : 'rawKeyDown', ...event })
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  /** Clicks with the mouse in the middle of an element. */
  async click(selector: string): Promise<void> {
    const [x, y] = await this.evaluate<[number, number]>(`(() => {
      const { left, top, width, height } = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()
      return [left + width / 2, top + height / 2]
    })()`)
    const event = { x, y, button: 'left', clickCount: 1 }
    await this.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...event })
    await this.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...event })
  }
}
