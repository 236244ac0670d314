import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Engine } from '../engine/index.ts'
import { referenceEngine } from '../engine/reference/index.ts'
import { Graph } from '../graph/graph.ts'
import { scale } from '../graph/operations/elementwise.ts'
import { fastest, measureEngines, smallStep } from './measure-engines.ts'

const graph = new Graph('step')
const step = {
  programs: [graph.build({ y: scale(graph.input('x', [1]), 2) })],
  state: new Map(),
  inputs: () => ({ x: Float32Array.of(1) }),
  clips: 1,
}

/** The time that passes here is that of the engines below: on a busy machine a timer of 5 ms may take longer than one of 60 ms. */
let clock = 0
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => clock))
afterEach(() => void vi.restoreAllMocks())

/** The reference engine, whose runs take so many milliseconds; the first one takes none, so that it shows where it is counted. */
function slowed(name: string, milliseconds: number): Engine {
  return {
    ...{ name, probe: referenceEngine.probe },
    async open(programs) {
      const session = await referenceEngine.open(programs)
      let wait = 0
      return {
        ...{ engine: name, writeState: session.writeState.bind(session), readState: session.readState.bind(session) },
        ...{ memory: session.memory.bind(session), close: session.close.bind(session) },
        async run(program, inputs) {
          clock += wait
          wait = milliseconds
          return session.run(program, inputs)
        },
      }
    },
  }
}

test('the fastest engine is found, without the first step, and one that fails is named', async () => {
  const broken: Engine = {
    ...{ name: 'broken', probe: referenceEngine.probe },
    open: async () => Promise.reject(new Error('no memory\nat all')),
  }
  const candidates = [slowed('slow', 60), broken, slowed('fast', 5)].map((engine) => ({
    ...{ engine, precision: 'float32' as const },
  }))
  const times = await measureEngines(candidates, step, { timed: 1 })
  expect(times.map(({ failure }) => failure)).toEqual([null, 'no memory', null])
  expect(times.map(({ milliseconds }) => milliseconds)).toEqual([60, null, 5])
  expect(fastest(times)?.engine.name).toBe('fast')
  expect(fastest([times[1]])).toBeNull()
})

test('the measured step is one of pretraining, whose tokens are all seen or predicted', () => {
  const { programs, inputs, clips } = smallStep()
  const { visible, masked, frames } = inputs(1)
  expect(programs[0].updates.map(({ kind }) => kind)).toContain('adamw')
  expect(frames).toHaveLength(clips * 16 * 112 * 112 * 3)
  const first = [...visible.subarray(0, 39), ...masked.subarray(0, 353)]
  expect(new Set(first).size).toBe(392)
})

test('a signal ends the measurement between two steps, and is no failure of an engine', async () => {
  const [reason, stopping] = [new Error('stop'), new AbortController()]
  const open = vi.fn(slowed('stopped', 1).open)
  const engine: Engine = {
    ...{ name: 'stopped', probe: referenceEngine.probe },
    async open(programs) {
      stopping.abort(reason)
      return open(programs)
    },
  }
  const candidates = [engine, engine].map((each) => ({ engine: each, precision: 'float32' as const }))
  await expect(measureEngines(candidates, step, { signal: stopping.signal })).rejects.toBe(reason)
  expect(open).toHaveBeenCalledOnce()
})
