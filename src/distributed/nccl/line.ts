import type { Socket } from 'node:net'
import { exitCodes, VideoMaeError } from '../../core/errors.ts'
import { endAtOnce, endProcess, lastWords } from '../end-process.ts'
import type { RankLine } from '../thread-communicator.ts'
import { encodeMessage, type Message, MessageReader } from './messages.ts'

/** What is done where another rank ends this one, or is gone; then the error says so. Default: the process ends. */
export type OnEnd = (exitCode: number, error: VideoMaeError | null) => void

/** The connections of a rank: of rank 0 to all others, of the others to rank 0. */
export class Line implements RankLine {
  private readonly peers = new Map<Peer, string>()
  private over = false
  private readonly onEnd: OnEnd

  constructor(onEnd: OnEnd = endThisProcess) {
    this.onEnd = onEnd
  }

  /** @param name of the rank behind it */
  add(peer: Peer, name: string): void {
    this.peers.set(peer, name)
    // The process may end while the connection is open.
    peer.socket.unref()
    peer.listen(
      (message) => this.hear(peer, message),
      () => this.lose(peer, name),
    )
  }

  async end(exitCode: number): Promise<void> {
    this.over = true
    await Promise.all([...this.peers.keys()].map((peer) => peer.send('end', '', exitCode)))
  }

  leave(): void {
    this.over = true
    for (const peer of this.peers.keys()) void peer.send('leave').then(() => peer.close())
  }

  private hear(peer: Peer, { kind, number }: Message): void {
    if (kind === 'leave') this.peers.delete(peer)
    if (kind !== 'end' || this.over) return
    this.peers.delete(peer)
    void this.end(number).then(() => this.onEnd(number, null))
  }

  private lose(peer: Peer, name: string): void {
    if (this.over || !this.peers.delete(peer)) return
    const error = new VideoMaeError(
      `Expected ${name} to continue or to report why it ends, but its connection was lost.`,
      {
        code: 'RANK_DIED',
        exit: 'environment',
        hint: 'Its process was killed or crashed, or its machine is down: check that machine. Continue from the last checkpoint with --resume.',
      },
    )
    void this.end(exitCodes.environment).then(() => this.onEnd(exitCodes.environment, error))
  }
}

function endThisProcess(exitCode: number, error: VideoMaeError | null): void {
  if (error === null) setTimeout(endAtOnce, lastWords, exitCode)
  else endProcess(error)
}

/** A connection that carries messages. */
export class Peer {
  readonly socket: Socket
  private readonly reader = new MessageReader()
  private onMessage: (message: Message) => void = () => {}
  private onGone: (foreign: boolean) => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 10_000)
    socket.on('error', () => {}) // 'close' comes behind it
    socket.on('close', () => this.onGone(false))
    socket.on('data', (bytes: Buffer) => {
      const messages = this.reader.push(bytes)
      for (const message of messages ?? []) this.onMessage(message)
      if (messages !== null) return
      this.onGone(true)
      socket.destroy()
    })
  }

  listen(onMessage: (message: Message) => void, onGone: (foreign: boolean) => void): void {
    this.onMessage = onMessage
    this.onGone = onGone
  }

  /** Resolves once the bytes are with the system, or the connection is gone. */
  send(kind: Message['kind'], content: Uint8Array | string = '', number = 0): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once('close', () => resolve())
      if (this.socket.writable) this.socket.write(encodeMessage(kind, content, number), () => resolve())
      else resolve()
    })
  }

  close(): void {
    this.socket.end()
  }
}
