/** What a CUDA session says when the device fails, at whatever moment, and when memory of the host does not suffice. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Device } from '../../src/engine/cuda/device.ts'
import { CudaSession } from '../../src/engine/cuda/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { gelu, scale } from '../../src/graph/operations/elementwise.ts'
import type { Program } from '../../src/graph/program.ts'
import { compilationTimeouts, emulationMissing } from '../support/cuda-emulation/build.ts'
import { EmulationControls, openEmulatedDevice } from '../support/cuda-emulation/emulated-device.ts'
import { openTestSession } from '../support/run-operation-case.ts'
import { failure } from './failure.ts'

vi.setConfig(compilationTimeouts)
const missing = emulationMissing()
const input = { x: Float32Array.of(1, 2, 3, 4) }

/** scale #0 to scale #7, then gelu #8 to gelu #11: a launch each. */
function longProgram(): Program {
  const graph = new Graph('long')
  let x = graph.input('x', [4])
  for (let i = 0; i < 8; i++) x = scale(x, 1.5)
  for (let i = 0; i < 4; i++) x = gelu(x)
  return graph.build({ y: x })
}

/** A device that refuses the launches of one kernel from the `from`-th on, counted from 1. */
function refusing(device: Device, entry: string, from: number): Device {
  let count = 0
  return new Proxy(device, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'launch') return value.bind(target)
      return (...list: Parameters<Device['launch']>) => {
        if (list[0].source.entry === entry && ++count >= from) throw new Error('the launch is refused')
        target.launch(...list)
      }
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
}

describe.skipIf(missing !== null)(`failures of the emulated device${missing === null ? '' : ` (${missing})`}`, () => {
  const controls = missing === null ? new EmulationControls() : null
  afterEach(() => {
    controls?.resetError()
    controls?.setHostMemory(2 ** 40)
  })

  /** The error of a session whose run number `run` meets a failure at its launch number `launch`. */
  async function failing(run: number, launch: number, debug = false) {
    const session = openTestSession([longProgram()], { precision: 'float32', debug })
    for (let i = 1; i < run; i++) await session.run('long', input)
    controls?.failAfter(launch)
    const error = await failure(() => session.run('long', input))
    const later = await failure(() => session.run('long', input))
    await session.close()
    return { error, later }
  }

  test.each([
    ['in the first run', 1, false],
    ['in a later run of debug mode', 3, true],
  ] as const)('names the operation %s', async (_, run, debug) => {
    // Two marks of progress, scale #0 to scale #7, gelu #8, and the one that fails.
    const { error, later } = await failing(run, 12, debug)
    expect(error.code).toBe('DEVICE_FAILED')
    expect(error.message).toContain('failed during long: gelu #9: CUDA_ERROR_ILLEGAL_ADDRESS')
    expect(error.hint).toBeUndefined()
    expect(later.code).toBe('DEVICE_FAILED')
  })

  test.each([
    // Marks of progress are launches too, one in front of eight steps.
    ['the first', 5, /one of the operations scale #0, scale #1, .*, scale #7 of the program long: CUDA_ERROR/],
    ['the last', 12, /one of the operations gelu #8, gelu #9, gelu #10, gelu #11 of the program long: CUDA_ERROR/],
  ] as const)('names %s few operations of a replayed graph, one of which failed', async (_, launch, expected) => {
    for (const run of [2, 4]) {
      const { error, later } = await failing(run, launch)
      controls?.resetError()
      expect(error.code).toBe('DEVICE_FAILED')
      expect(error.message).toMatch(expected)
      expect(error.hint).toMatch(/VIDEOMAE_CUDA_DEBUG=1/)
      expect(later.message, 'every call after it says so, too').toMatch(expected)
    }
  })

  test('computes the same launch by launch, in the graph that marks its progress, and in debug mode', async () => {
    const results: Float32Array[] = []
    for (const debug of [false, true]) {
      const session = openTestSession([longProgram()], { precision: 'float32', debug })
      for (let run = 0; run < 3; run++) results.push((await session.run('long', input)).y)
      await session.close()
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  test('leaves no graph behind, neither recorded nor broken off', async () => {
    const before = controls?.graphs()
    const session = openTestSession([longProgram()], { precision: 'float32' })
    for (let run = 0; run < 3; run++) await session.run('long', input)
    expect(controls?.graphs()).toBe((before ?? 0) + 1)
    await session.close()
    expect(controls?.graphs()).toBe(before)

    // The first run launches it four times; the fifth is recorded.
    const device = refusing(openEmulatedDevice(), 'gelu', 5)
    const broken = new CudaSession(device, [longProgram()], { precision: 'float32' })
    await broken.run('long', input)
    const refused = await failure(() => broken.run('long', input))
    expect(refused.message).toBe('the launch is refused')
    expect(device.doing?.()).toEqual({ what: 'long: gelu #8', exact: true })
    expect(controls?.graphs()).toBe(before)
    await broken.close()
  })

  test('says what page-locked memory is needed for, and what the machine has', async () => {
    controls?.setHostMemory(0)
    const error = await failure(() => openTestSession([longProgram()], { precision: 'float32' }))
    expect(error.code).toBe('OUT_OF_MEMORY')
    expect(error.exit).toBe('environment')
    expect(error.message).toMatch(
      /1 MiB of page-locked memory of the host are needed for the inputs of one step, .* [\d,]+ MiB free of [\d,]+ MiB/,
    )
    expect(error.hint).toMatch(/batch\.perRun/)
  })
})
