/** A session that gets only a part of its memory gives that part back: nothing is lost in a process that tries a smaller run. */
import { expect, test } from 'vitest'
import { VideoMaeError } from '../../src/core/errors.ts'
import type { NativeLibrary } from '../../src/engine/native/library.ts'
import { NativeSession } from '../../src/engine/native/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { libraryOf, nativeMissing, nativeTimeouts, testedLevels } from './native-cases.ts'

/** A state with panels, an input, a constant and a result: one piece of memory of every kind. */
function program() {
  const graph = new Graph('small')
  const bias = graph.constant([3], Float32Array.of(1, 2, 3))
  return graph.build({ y: linear(graph.input('x', [2, 4]), graph.state('w', [3, 4]), bias) })
}

const refusal = new VideoMaeError('The system refused memory.', { code: 'OUT_OF_MEMORY', exit: 'environment' })

/** The library, with a system that refuses memory or threads from a request on. `held`: pieces that are not freed yet. */
function refusing(library: NativeLibrary, from: number) {
  let asked = 0
  const held = new Set<object>()
  const request = (): void => {
    asked++
    if (asked > from) throw refusal
  }
  const refusing: NativeLibrary = Object.assign(Object.create(library) as NativeLibrary, {
    allocate(bytes: number, purpose: string) {
      request()
      const memory = library.allocate(bytes, purpose)
      held.add(memory)
      const free = (): void => {
        held.delete(memory)
        memory.free()
      }
      return Object.assign(Object.create(memory) as typeof memory, { free })
    },
    openPool(threads: number) {
      request()
      return library.openPool(threads)
    },
  })
  return { library: refusing, held }
}

test.skipIf(nativeMissing() !== null).each([false, true])(
  'memory that a session has got is given back where more is refused, each value apart: %s',
  async (isolateValues) => {
    const library = await libraryOf(testedLevels[0])
    for (let granted = 0; ; granted++) {
      const { library: refused, held } = refusing(library, granted)
      try {
        const session = new NativeSession(refused, [program()], { threads: 2, precision: 'float32', isolateValues })
        expect(granted).toBeGreaterThan(5)
        expect(held.size).toBeGreaterThan(0)
        await session.close()
        expect(held.size).toBe(0)
        return
      } catch (error) {
        expect(error).toBe(refusal)
        expect(held.size, `memory kept after ${granted} requests`).toBe(0)
      }
    }
  },
  nativeTimeouts.testTimeout,
)
