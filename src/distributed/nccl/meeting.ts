/**
 * The meeting of ranks that torchrun, or a program like it, has started: rank 0 listens, the others connect, and all get the id that
 * NCCL begins with. The connections stay, so that ranks notice the end of each other. No data of a training goes over them.
 */
import { once } from 'node:events'
import { createServer, type Server, Socket } from 'node:net'
import { hostname } from 'node:os'
import { VideoMaeError } from '../../core/errors.ts'
import type { MeetingPoint } from '../launched.ts'
import type { RankLine } from '../thread-communicator.ts'
import { Line, type OnEnd, Peer } from './line.ts'
import type { Message } from './messages.ts'

export interface MeetingOptions extends MeetingPoint {
  readonly timeoutSeconds: number
  /** The id, made by rank 0; other ranks see whether they could join. */
  readonly prepare: () => Uint8Array
  readonly onEnd?: OnEnd
}

export interface Meeting {
  /** What all ranks join with. */
  readonly id: Uint8Array
  readonly line: RankLine
}

/** Milliseconds between attempts to reach rank 0. */
const pause = 250
/** The most bytes of an id; one of NCCL has 128. */
const idBytes = 128

/** What a rank says when it comes. */
interface Hello {
  readonly rank: number
  readonly size: number
  readonly host: string
  /** Why this rank cannot join. */
  readonly problem: string | null
  readonly code: string | null
}

/**
 * Waits until all ranks are there.
 *
 * @throws VideoMaeError `RANKS_MISSING` with the names of those that did not come, `PORT_TAKEN`, and on all ranks what `prepare` throws
 *   on one
 */
export async function meet(options: MeetingOptions): Promise<Meeting> {
  return options.rank === 0 ? receive(options) : visit(options)
}

/** Rank 0: waits for the others. */
async function receive(options: MeetingOptions): Promise<Meeting> {
  const { size, timeoutSeconds, prepare, host, port } = options
  const id = prepare()
  const here = new Map<number, { readonly peer: Peer; readonly host: string }>()
  const sockets = new Set<Socket>()
  let strangers = 0
  const server = createServer()
  await listen(server, options)
  const missing = (): number[] => [...Array(size).keys()].filter((rank) => rank > 0 && !here.has(rank))
  try {
    await new Promise<void>((resolve, reject) => {
      const late = (): void => reject(ranksMissing(options, missing(), here, strangers))
      const timer = setTimeout(late, timeoutSeconds * 1000)
      const done = (error?: VideoMaeError): void => {
        clearTimeout(timer)
        if (error === undefined) resolve()
        else reject(error)
      }
      server.on('connection', (socket) => {
        sockets.add(socket.on('close', () => sockets.delete(socket)))
        const peer = new Peer(socket)
        let mine: number | null = null
        const come = ({ kind, bytes }: Message): void => {
          const hello = kind === 'hello' ? helloIn(bytes) : null
          const wrong =
            hello === null ? 'this is not the greeting of a rank' : refusal(hello, size, here.get(hello.rank)?.host)
          if (hello === null || wrong !== null) {
            strangers++
            void peer
              .send('refused', `Expected another greeting at ${host}:${port}: ${wrong}.`)
              .then(() => peer.close())
            return
          }
          mine = hello.rank
          here.set(hello.rank, { peer, host: hello.host })
          if (hello.problem !== null) done(problemOf(hello))
          else if (missing().length === 0) done()
        }
        const gone = (foreign: boolean): void => {
          if (foreign) strangers++
          // A rank that has gone may come again.
          if (mine !== null) here.delete(mine)
        }
        peer.listen(come, gone)
      })
      if (missing().length === 0) done()
    })
  } catch (error) {
    const { code, message } = error as VideoMaeError
    await Promise.all(
      [...here.values()].map(({ peer }) =>
        peer.send('refused', JSON.stringify({ code, message: message.slice(0, 400) })),
      ),
    )
    for (const { peer } of here.values()) peer.close()
    throw error
  } finally {
    server.close()
  }
  const line = new Line(options.onEnd)
  for (const [rank, { peer, host: from }] of here) {
    line.add(peer, `rank ${rank} of ${size} on ${from}`)
    sockets.delete(peer.socket)
  }
  for (const stranger of sockets) stranger.destroy()
  await Promise.all([...here.values()].map(({ peer }) => peer.send('id', id)))
  return { id, line }
}

/** Listens at the address that was told, or at all where it belongs to something before this machine. */
async function listen(server: Server, { host, port }: MeetingPoint): Promise<void> {
  const at = async (address?: string): Promise<void> => {
    server.listen({ port, ...(address !== undefined && { host: address }) })
    await once(server, 'listening')
  }
  try {
    await at(host).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') throw error
      return at()
    })
  } catch (cause) {
    const { message } = cause as Error
    throw new VideoMaeError(`Expected rank 0 on ${hostname()} to listen at MASTER_ADDR and MASTER_PORT: ${message}.`, {
      code: 'PORT_TAKEN',
      exit: 'environment',
      hint: 'Name a free port in MASTER_PORT (torchrun: --master-port), and the host of rank 0 in MASTER_ADDR.',
      cause,
    })
  }
}

/** Another rank: greets rank 0, as soon as it is there, and waits for the id. */
async function visit(options: MeetingOptions): Promise<Meeting> {
  const { rank, size, host, port, timeoutSeconds, prepare } = options
  const until = performance.now() + timeoutSeconds * 1000
  let problem: unknown = null
  try {
    prepare()
  } catch (error) {
    problem = error
  }
  const hello: Hello = {
    ...{ rank, size, host: hostname().slice(0, 64) },
    problem: problem === null ? null : String((problem as Error).message).slice(0, 200),
    code: problem instanceof VideoMaeError ? problem.code : null,
  }
  let last = 'it does not answer'
  while (performance.now() < until) {
    const socket = new Socket()
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const connected = new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', (error) => {
        last = error.message
        resolve(false)
      })
    })
    socket.connect({ host, port })
    const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), until - performance.now())
    try {
      if (await connected) return await greet(new Peer(socket), hello, options)
    } catch (error) {
      if (problem !== null && error instanceof VideoMaeError) throw problem
      if (!(error instanceof Gone)) throw error
      last = error.message
    } finally {
      clearTimeout(timer)
    }
    await closed
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
  throw new VideoMaeError(
    `Expected rank 0 at ${host}:${port} within ${timeoutSeconds} s, but rank ${rank} of ${size} on ${hostname()} did not reach it: ${last}.`,
    { code: 'RANKS_MISSING', exit: 'environment', hint: missingAdvice },
  )
}

/** The connection has ended without an id: rank 0 may come later. */
class Gone extends Error {}

function greet(peer: Peer, hello: Hello, options: MeetingOptions): Promise<Meeting> {
  const { size, host, port } = options
  return new Promise((resolve, reject) => {
    peer.listen(
      ({ kind, bytes }) => {
        if (kind === 'refused') {
          reject(refusedBy(Buffer.from(bytes).toString()))
          peer.close()
        }
        if (kind !== 'id' || bytes.length !== idBytes) return
        const line = new Line(options.onEnd)
        line.add(peer, `rank 0 of ${size} at ${host}:${port}`)
        resolve({ id: bytes, line })
      },
      (foreign) =>
        reject(
          new Gone(foreign ? 'another program answers there' : 'it ended the connection, or another program is there'),
        ),
    )
    void peer.send('hello', JSON.stringify(hello))
  })
}

function helloIn(bytes: Uint8Array): Hello | null {
  try {
    const { rank, size, host, problem, code } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Hello>
    if (!Number.isInteger(rank) || !Number.isInteger(size) || typeof host !== 'string') return null
    const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
    return { rank: rank as number, size: size as number, host, problem: text(problem), code: text(code) }
  } catch {
    return null
  }
}

/** Why a greeting is not accepted; null where it is. */
function refusal({ rank, size: told }: Hello, size: number, taken: string | undefined): string | null {
  if (told !== size) return `rank 0 was told of ${size} ranks (WORLD_SIZE), rank ${rank} of ${told}`
  if (rank < 1 || rank >= size) return `there is no other rank ${rank} of ${size}`
  return taken === undefined ? null : `rank ${rank} is already connected, from ${taken}`
}

function refusedBy(text: string): VideoMaeError {
  try {
    const { code, message } = JSON.parse(text) as { readonly code: string; readonly message: string }
    return new VideoMaeError(message, { code, exit: 'environment', hint: missingAdvice })
  } catch {
    return new VideoMaeError(text, { code: 'RANKS_MISSING', exit: 'environment', hint: missingAdvice })
  }
}

function problemOf({ rank, size, host, problem, code }: Hello): VideoMaeError {
  return new VideoMaeError(`Rank ${rank} of ${size} on ${host}: ${problem}`, {
    code: code ?? 'COMMUNICATION_FAILED',
    exit: 'environment',
    hint: 'Every machine needs the same installation; `videomae doctor` shows what is installed.',
  })
}

const missingAdvice =
  'Check that every machine starts the command, with the same WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and can reach that port; VIDEOMAE_MPI_TIMEOUT sets another limit, in seconds.'

function ranksMissing(
  { size, host, port, timeoutSeconds }: MeetingOptions,
  missing: readonly number[],
  here: ReadonlyMap<number, { readonly host: string }>,
  strangers: number,
): VideoMaeError {
  const list = (items: readonly string[]): string => {
    const more = items.length - 16
    return more > 0 ? `${items.slice(0, 16).join(', ')} and ${more} more` : items.join(', ')
  }
  const absent = list(missing.map((rank) => `rank ${rank}`))
  const present = list(['rank 0', ...[...here].map(([rank, { host: from }]) => `rank ${rank} on ${from}`)])
  const others =
    strangers === 0 ? '' : ` ${strangers} connections that did not come from ranks of this run were refused.`
  return new VideoMaeError(
    `Expected ${size} ranks at ${host}:${port} within ${timeoutSeconds} s. Missing: ${absent}. Here: ${present}.${others}`,
    { code: 'RANKS_MISSING', exit: 'environment', hint: missingAdvice },
  )
}
