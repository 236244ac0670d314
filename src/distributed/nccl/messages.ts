/** What ranks without MPI send each other over a socket: messages of one length, so that nothing foreign is taken for one. */

const magic = Buffer.from('videomae-ranks/1')
const headerBytes = magic.length + 8
/** Bytes of every message. */
export const messageBytes = 512
/** The most bytes that a message carries. */
export const mostBytes = messageBytes - headerBytes

const kinds = ['hello', 'id', 'refused', 'end', 'leave'] as const

export interface Message {
  /**
   * `hello`: a rank comes. `id`: what all join with. `refused`: nobody joins, and why. `end`: all end, with an exit code.
   * `leave`: a rank ends in order.
   */
  readonly kind: (typeof kinds)[number]
  /** The exit code of `end`. */
  readonly number: number
  readonly bytes: Uint8Array
}

/** Text is cut where it is too long. */
export function encodeMessage(kind: Message['kind'], content: Uint8Array | string = '', number = 0): Uint8Array {
  const bytes = Buffer.from(content).subarray(0, mostBytes)
  const message = Buffer.alloc(messageBytes)
  magic.copy(message)
  message.writeUInt16LE(kinds.indexOf(kind), magic.length)
  message.writeUInt16LE(bytes.length, magic.length + 2)
  message.writeInt32LE(number, magic.length + 4)
  bytes.copy(message, headerBytes)
  return message
}

/** Cuts what a socket receives into messages. */
export class MessageReader {
  private held: Buffer = Buffer.alloc(0)

  /** @returns the messages that are complete; null where the bytes are those of another program */
  push(bytes: Uint8Array): Message[] | null {
    this.held = Buffer.concat([this.held, bytes])
    const messages: Message[] = []
    while (this.held.length > 0) {
      const start = this.held.subarray(0, magic.length)
      if (!start.equals(magic.subarray(0, start.length))) return null
      if (this.held.length < messageBytes) break
      const message = decode(this.held.subarray(0, messageBytes))
      if (message === null) return null
      messages.push(message)
      this.held = this.held.subarray(messageBytes)
    }
    return messages
  }
}

function decode(message: Buffer): Message | null {
  const kind = kinds[message.readUInt16LE(magic.length)]
  const length = message.readUInt16LE(magic.length + 2)
  if (kind === undefined || length > mostBytes) return null
  const bytes = Uint8Array.from(message.subarray(headerBytes, headerBytes + length))
  return { kind, number: message.readInt32LE(magic.length + 4), bytes }
}
