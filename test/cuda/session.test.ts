/** What a CUDA session does next to computing: memory, prefetching, measured algorithms, profiles. Emulated. */
import { mkdtempSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Device } from '../../src/engine/cuda/device.ts'
import { requireDeviceMemory } from '../../src/engine/cuda/memory-requirement.ts'
import { CudaSession } from '../../src/engine/cuda/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { scale } from '../../src/graph/operations/elementwise.ts'
import { concat } from '../../src/graph/operations/movement.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import { compilationTimeouts, emulationMissing } from '../support/cuda-emulation/build.ts'
import { EmulationControls, openEmulatedDevice } from '../support/cuda-emulation/emulated-device.ts'
import { openTestSession } from '../support/run-operation-case.ts'
import { randomClips, randomMasks, scalar, shakenState, tinyConfiguration } from '../support/tiny-model.ts'
import { failure } from './failure.ts'

vi.setConfig(compilationTimeouts)
const missing = emulationMissing()
const configuration = tinyConfiguration({ encoder: { width: 16, depth: 1, heads: 1, mlpRatio: 2 } })
const batch = 2
const { visible, masked, counts } = randomMasks(configuration, batch)
const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: {} })
const state = shakenState(parameterShapes(configuration, 'pretrain'))
const inputs = (step: number) => ({
  frames: randomClips(configuration, batch, step),
  visible,
  masked,
  learningRate: scalar(1e-3),
  weightDecay: scalar(0.05),
  step: scalar(step),
})

describe.skipIf(missing !== null)(
  `a CUDA session on the emulated device${missing === null ? '' : ` (${missing})`}`,
  () => {
    const controls = missing === null ? new EmulationControls() : null
    afterEach(() => controls?.setMemory(4 * 2 ** 30))

    test('gives all memory back', async () => {
      const before = controls?.usedMemory()
      const session = openTestSession(built.programs, { precision: 'bfloat16' })
      await session.run(built.step, inputs(1))
      const { state: stateBytes, workspace } = await session.memory()
      expect(stateBytes).toBeGreaterThan(0)
      expect(workspace).toBeGreaterThan(0)
      expect(controls?.usedMemory()).toBeGreaterThan(stateBytes)
      await session.close()
      expect(controls?.usedMemory()).toBe(before)
    })

    test('says what is needed and what there is when memory does not suffice', async () => {
      controls?.setMemory(20 * 2 ** 20)
      const error = await failure(() => openTestSession(built.programs, { precision: 'float32' }))
      expect(error.code).toBe('OUT_OF_MEMORY')
      expect(error.message).toMatch(/need 33 MiB.*state.*activations.*20 MiB free of 20 MiB/)
      expect(error.hint).toMatch(/smaller model/)
    })

    test('says which batch size would fit', async () => {
      const device = openEmulatedDevice()
      controls?.setMemory(6 * 2 ** 30)
      const gib = 2 ** 30
      const need = { state: gib, workspace: 9 * gib, inputs: 0.5 * gib }
      const big = buildPretrainProgram({ configuration, batch: 64, ...counts, optimizer: {} })
      const error = await failure(() => requireDeviceMemory(device, big.programs, need))
      // 64 clips take 10 GiB next to the state; 5 GiB less 32 MiB are left.
      expect(error.hint).toContain('from 64 to at most 31')
      expect(error.hint).not.toContain('recompute')
      const leaner = await failure(() =>
        requireDeviceMemory(device, big.programs, need, () => ({ ...need, workspace: gib })),
      )
      expect(leaner.hint).toMatch(/engine.recompute to blocks: then 3,104 MiB are enough.*Or: Reduce/)
      device.close()
    })

    test('replays one graph: every run launches the same kernels', async () => {
      const session = openTestSession(built.programs, { precision: 'float32' })
      await session.writeState(state)
      const launched: number[] = []
      for (let step = 1; step <= 3; step++) {
        const before = controls?.launches() ?? 0
        await session.run(built.step, inputs(step))
        launched.push((controls?.launches() ?? 0) - before)
      }
      expect(launched[0]).toBeGreaterThan(10)
      expect(new Set(launched).size).toBe(1)
      await session.close()
    })

    test('takes prefetched inputs, and others in between, without a difference', async () => {
      const losses: number[][] = []
      for (const ahead of [false, true]) {
        const session = openTestSession(built.programs, { precision: 'float32' })
        await session.writeState(state)
        const own: number[] = []
        let next = inputs(1)
        for (let step = 1; step <= 5; step++) {
          const running = session.run(built.step, next)
          next = inputs(step + 1)
          // Steps 4 and 5 come from what was never announced.
          if (ahead && step !== 3) await session.prefetch(built.step, next)
          own.push((await running).loss[0])
        }
        losses.push(own)
        await session.close()
      }
      expect(losses[1]).toEqual(losses[0])
    })

    test('copies what is announced while the step before computes, and the rest with its own step', async () => {
      const log: string[] = []
      const device = recording(openEmulatedDevice(), log)
      const session = new CudaSession(device, built.programs, { precision: 'float32' })
      await session.writeState(state)
      for (const step of [1, 2]) await session.run(built.step, inputs(step))
      const { frames, visible: seen, masked: hidden, ...scalars } = inputs(3)
      const announced = { frames, visible: seen, masked: hidden }
      controls?.setLatency(30)
      log.length = 0
      const running = session.run(built.step, inputs(2))
      await session.prefetch(built.step, announced)
      log.push('announced')
      await running
      log.push('settled')
      await session.run(built.step, { ...announced, ...scalars })
      controls?.setLatency(0)
      await session.close()
      // Six inputs; s and c are the streams of steps and of copies.
      expect(log.join(' ')).toBe(
        [
          ...[...Array(6).fill('in:s'), 'graph:s', 'out:s', 'out:s'],
          ...['wait:c', ...Array(3).fill('in:c'), 'record:c', 'announced', 'settled'],
          ...['wait:s', ...Array(3).fill('move:s'), 'record:s', ...Array(3).fill('in:s'), 'graph:s', 'out:s', 'out:s'],
        ].join(' '),
      )
    })

    test('reads losses back without blocking the thread, and only when the device is done', async () => {
      const session = openTestSession(built.programs, { precision: 'float32' })
      await session.writeState(state)
      await session.run(built.step, inputs(1))
      controls?.setLatency(250)
      let turns = 0
      const timer = setInterval(() => turns++, 2)
      const began = performance.now()
      const { loss } = await session.run(built.step, inputs(2))
      const took = performance.now() - began
      clearInterval(timer)
      controls?.setLatency(0)
      expect(loss[0]).toBeGreaterThan(0)
      expect(took).toBeGreaterThanOrEqual(250)
      expect(turns).toBeGreaterThan(1)
      await session.close()
    })

    test('checks what is announced, and takes a run without it', async () => {
      const session = openTestSession(built.programs, { precision: 'float32' })
      const wrong = await failure(() => session.prefetch(built.step, { frames: new Uint8Array(3) }))
      expect(wrong.code).toBe('INPUT_LENGTH')
      expect((await failure(() => session.prefetch('other', {}))).code).toBe('PROGRAM_UNKNOWN')
      await session.writeState(state)
      const [other, { loss }] = [inputs(7), await session.run(built.step, inputs(1))]
      await session.writeState(state)
      await session.prefetch(built.step, { frames: other.frames })
      expect((await session.run(built.step, inputs(1))).loss).toEqual(loss)
      await session.close()
      expect((await failure(() => session.prefetch(built.step, {}))).code).toBe('ENGINE_CLOSED')
    })

    test('refuses a second call while one is under way, and any after closing', async () => {
      const session = openTestSession(built.programs, { precision: 'float32' })
      const running = session.run(built.step, inputs(1))
      expect((await failure(() => session.readState())).code).toBe('ENGINE_BUSY')
      await running
      await session.close()
      expect((await failure(() => session.run(built.step, inputs(2)))).code).toBe('ENGINE_CLOSED')
    })

    test('measures products once and remembers the choice', async () => {
      const cache = mkdtempSync(path.join(os.tmpdir(), 'videomae-products-'))
      const results: Float32Array[] = []
      const launched: number[] = []
      for (let i = 0; i < 2; i++) {
        const device = openEmulatedDevice({ measureMatmuls: true, cache })
        const products = countMatmuls(device)
        const session = new CudaSession(device, built.programs, { precision: 'bfloat16' })
        launched.push(products())
        await session.writeState(state)
        results.push((await session.run(built.step, inputs(1))).loss)
        await session.close()
      }
      expect(readdirSync(cache)).toEqual(['products-emulated-device-130101.json'])
      // Two are the session's own.
      expect(launched[0]).toBeGreaterThan(2)
      expect(launched[1]).toBe(2)
      expect(results[1]).toEqual(results[0])
    })

    test('profiles a step by operations, fused ones among them', async () => {
      const session = openTestSession(built.programs, { precision: 'bfloat16' })
      await session.writeState(state)
      const times = await session.profile(built.step, inputs(1))
      const labels = times.map(({ label }) => label).join('\n')
      for (const fused of [
        'linearAdd',
        'linearGelu',
        'linearInputGradientGelu',
        'layerNormGradientAdd',
        'adamw update',
      ]) {
        expect(labels).toContain(fused)
      }
      expect(labels).not.toMatch(/: gelu #|: geluGradient #/)
      expect(times.every(({ milliseconds }) => milliseconds >= 0)).toBe(true)
      await session.close()
    })

    test('joins more tensors than one launch takes', async () => {
      const graph = new Graph('joining')
      const parts = [3, 1, 4, 1, 5, 2].map((size, i) => graph.input(`x${i}`, [2, size]))
      const program = graph.build({ y: concat(parts, 1) })
      const session = openTestSession([program], { precision: 'float32' })
      const fed = parts.map(({ shape }, i) => Float32Array.from({ length: 2 * shape[1] }, (_, k) => 100 * i + k))
      const { y } = await session.run('joining', Object.fromEntries(fed.map((values, i) => [`x${i}`, values])))
      const row = (r: number) =>
        fed.flatMap((values) => [...values.subarray((r * values.length) / 2, ((r + 1) * values.length) / 2)])
      expect([...y]).toEqual([...row(0), ...row(1)])
      await session.close()
    })

    test('returns a state as it was before the updates', async () => {
      const graph = new Graph('zeroing')
      const kept = graph.state('kept', [3])
      const program = graph.build({ before: kept, twice: scale(kept, 2) }, [{ kind: 'zero', states: ['kept'] }])
      const session = openTestSession([program], { precision: 'float32' })
      await session.writeState(new Map([['kept', Float32Array.of(1, 2, 3)]]))
      const { before, twice } = await session.run('zeroing', {})
      expect([...before, ...twice]).toEqual([1, 2, 3, 2, 4, 6])
      expect([...((await session.readState()).get('kept') ?? [])]).toEqual([0, 0, 0])
      await session.close()
    })
  },
)

/** Notes what concerns inputs and outputs, by kind and stream: `c` is the stream that an event is recorded on first. */
function recording(device: Device, log: string[]): Device {
  const names: Readonly<Record<string, string>> = {
    copyToDevice: 'in',
    copyToHost: 'out',
    copyOnDevice: 'move',
    wait: 'wait',
    record: 'record',
  }
  const created: unknown[] = []
  const timed = new Set<unknown>()
  const streamName = (stream: unknown): string => (stream === created[0] ? 's' : stream === created[1] ? 'c' : '?')
  return new Proxy(device, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...list: unknown[]) => {
        const result: unknown = value.apply(target, list)
        if (name === 'createStream') created.push(result)
        if (name === 'createEvent' && list[0] === true) timed.add(result)
        // The timed events around a step are not about inputs.
        const kind = typeof name === 'string' && !timed.has(list[0]) ? names[name] : undefined
        if (kind !== undefined) log.push(`${kind}:${streamName(list.find((value) => created.includes(value)))}`)
        if (name !== 'capture') return result
        const graph = result as ReturnType<Device['capture']>
        const launch: typeof graph.launch = (stream) => {
          log.push(`graph:${streamName(stream)}`)
          graph.launch(stream)
        }
        return { ...graph, launch }
      }
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
}

/** Counts timed events: while a session opens, the measuring of products makes them. */
function countMatmuls(device: Device): () => number {
  const original = device.createEvent.bind(device)
  let timed = 0
  device.createEvent = (withTime) => {
    if (withTime === true) timed++
    return original(withTime)
  }
  return () => timed
}
