/** Ranks meet in one process, over real sockets of this machine. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { VideoMaeError } from '../../core/errors.ts'
import { freePort } from '../free-port.ts'
import { type Meeting, type MeetingOptions, meet } from './meeting.ts'
import { encodeMessage, MessageReader } from './messages.ts'

const id = Uint8Array.from({ length: 128 }, (_, i) => i)
const opened: (Socket | Meeting['line'])[] = []
afterEach(() => {
  for (const each of opened.splice(0)) {
    if ('leave' in each) each.leave()
    else each.destroy()
  }
})

async function comes(port: number, rank: number, more: Partial<MeetingOptions> = {}): Promise<Meeting> {
  const location = { rank, size: 3, host: '127.0.0.1', port, timeoutSeconds: 20 }
  const met = await meet({ ...location, prepare: () => (rank === 0 ? id : new Uint8Array()), ...more })
  opened.push(met.line)
  return met
}

/** Connects until somebody listens. */
async function stranger(port: number, says: string | Uint8Array): Promise<Socket> {
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port })
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    if (!connected) continue
    opened.push(socket)
    socket.on('error', () => {})
    socket.write(says)
    return socket
  }
}

describe('ranks that meet', () => {
  test('all have the id of rank 0, in whatever order they come, and nothing foreign is taken for a rank or an id', async () => {
    const port = await freePort()
    const others = [2, 1].map((rank) => comes(port, rank))
    const first = comes(port, 0)
    // HTTP, another run, a rank that is there already, and somebody who says nothing.
    const strangers = await Promise.all([
      stranger(port, 'GET / HTTP/1.1\r\n\r\n'),
      stranger(
        port,
        encodeMessage('hello', JSON.stringify({ rank: 1, size: 2, host: 'x', problem: null, code: null })),
      ),
      stranger(port, ''),
    ])
    for (const { id: received } of await Promise.all([first, ...others])) expect(received).toEqual(id)
    await Promise.all(strangers.map((socket) => socket.closed || once(socket.resume(), 'close')))
  })

  test('that do not come are named, on every rank that is there', async () => {
    const port = await freePort()
    const both = await Promise.allSettled([comes(port, 0, { timeoutSeconds: 1 }), comes(port, 2)])
    for (const each of both)
      expect(each).toMatchObject({
        reason: {
          code: 'RANKS_MISSING',
          message: expect.stringMatching(/Missing: rank 1\. Here: rank 0, rank 2 on \S+\.$/),
        },
      })
  })

  test('wait for rank 0 no longer than that, and say where they looked', async () => {
    const port = await freePort()
    const message = expect.stringMatching(/rank 1 of 3 on \S+ did not reach it: connect ECONNREFUSED/)
    await expect(comes(port, 1, { timeoutSeconds: 0.5 })).rejects.toMatchObject({ code: 'RANKS_MISSING', message })
  })

  test('do not take the answer of another program for an id', async () => {
    const server = createServer((socket) => socket.write(Buffer.alloc(512, 7))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const message = expect.stringContaining('another program answers there')
    await expect(comes(port, 1, { timeoutSeconds: 0.5 })).rejects.toMatchObject({ code: 'RANKS_MISSING', message })
    server.close()
  })

  test('end together where one of them cannot join, with its name', async () => {
    const port = await freePort()
    const error = new VideoMaeError('Expected NCCL.', {
      code: 'NCCL_UNAVAILABLE',
      exit: 'environment',
      hint: 'Install it.',
    })
    const prepare = (): Uint8Array => {
      throw error
    }
    const [first, second] = await Promise.allSettled([comes(port, 0), comes(port, 2, { prepare })])
    const message = expect.stringMatching(/^Rank 2 of 3 on \S+: Expected NCCL\.$/)
    expect(first).toMatchObject({ reason: { code: 'NCCL_UNAVAILABLE', message } })
    expect(second).toMatchObject({ reason: error })
  })

  test('need a free port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await expect(comes(port, 0)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining('EADDRINUSE'),
    })
    server.close()
  })
})

describe('ranks that have met', () => {
  async function three() {
    const port = await freePort()
    const ended = [0, 1, 2].map(() => vi.fn())
    const met = await Promise.all(ended.map((onEnd, rank) => comes(port, rank, { onEnd })))
    return { ended, lines: met.map(({ line }) => line) }
  }

  test('end with the code of the one that fails', async () => {
    const { ended, lines } = await three()
    await lines[1].end(3)
    await vi.waitFor(() => {
      for (const onEnd of [ended[0], ended[2]]) expect(onEnd.mock.calls).toEqual([[3, null]])
    })
    expect(ended[1]).not.toHaveBeenCalled()
  })

  test('end where one is gone without a word, and say which', async () => {
    const port = await freePort()
    const [first, second] = [vi.fn(), vi.fn()]
    const met = [comes(port, 0, { onEnd: first }), comes(port, 1, { onEnd: second })]
    const hello = JSON.stringify({ rank: 2, size: 3, host: 'node7', problem: null, code: null })
    const third = await stranger(port, encodeMessage('hello', hello))
    await Promise.all(met)
    third.destroy()
    await vi.waitFor(() => {
      expect(first.mock.calls).toEqual([[4, expect.objectContaining({ code: 'RANK_DIED' })]])
      expect(first.mock.calls[0][1].message).toContain('rank 2 of 3 on node7')
      expect(second.mock.calls).toEqual([[4, null]])
    })
  })

  test('leave one after the other, which ends none', async () => {
    const { ended, lines } = await three()
    for (const rank of [1, 0, 2]) {
      lines[rank].leave()
      await new Promise((resolve) => setTimeout(resolve, 50))
      for (const onEnd of ended) expect(onEnd).not.toHaveBeenCalled()
    }
  })
})

test('messages are read in whatever pieces they come', () => {
  const all = Buffer.concat([encodeMessage('id', id), encodeMessage('end', '', 130)])
  const reader = new MessageReader()
  const expected = [
    { kind: 'id', number: 0, bytes: id },
    { kind: 'end', number: 130, bytes: new Uint8Array() },
  ]
  expect([...all].flatMap((byte) => reader.push(Uint8Array.of(byte)) ?? [])).toEqual(expected)
  expect(reader.push(all)).toEqual(expected)
  expect(new MessageReader().push(Buffer.from('videomae-rankz'))).toBeNull()
  expect(new MessageReader().push(encodeMessage('id', id).fill(9, 16, 18))).toBeNull()
})
