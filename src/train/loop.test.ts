import { describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import type { EngineSession, RunInputs, RunOutputs } from '../engine/engine.ts'
import { runTraining, type StepRecord, type TrainingBatch, type TrainingOptions } from './loop.ts'

/** A session whose "loss" is the value of the batch; it records what it was asked to run. */
function fakeSession(lossOf: (value: number) => number = (value) => value) {
  const runs: { program: string; inputs: RunInputs }[] = []
  let busy = false
  const session: EngineSession = {
    engine: 'fake',
    async run(program, inputs): Promise<RunOutputs> {
      if (busy) throw new Error('the session was used twice at once')
      busy = true
      await new Promise((resolve) => setTimeout(resolve, 1))
      busy = false
      runs.push({ program, inputs })
      const value = inputs.value?.[0] ?? 0
      const loss = new Float32Array([lossOf(value)])
      if (program === 'apply') return { gradientNorm: new Float32Array([2]) }
      return program === 'accumulate' ? { loss } : { loss, gradientNorm: new Float32Array([1]) }
    },
    readState: async () => new Map(),
    writeState: async () => {},
    memory: async () => ({ state: 0, workspace: 0 }),
    close: async () => {},
  }
  return { session, runs }
}

function setup(options: Partial<TrainingOptions> = {}, lossOf?: (value: number) => number) {
  const { session, runs } = fakeSession(lossOf)
  const records: StepRecord[] = []
  const saves: number[] = []
  let asked = 0
  const nextBatch = async (): Promise<TrainingBatch> => {
    const value = ++asked
    return { inputs: { value: new Float32Array([value]) }, epoch: 0, clips: 4, files: [`video-${value}.mp4`] }
  }
  const training: TrainingOptions = {
    session,
    programs: { kind: 'whole', train: 'train' },
    steps: 5,
    done: 0,
    nextBatch,
    stepInputs: (step) => ({ step: new Float32Array([step + 1]) }),
    onStep: (record) => {
      records.push(record)
    },
    save: async (step) => {
      saves.push(step)
    },
    saveEvery: 2,
    ...options,
  }
  return { training, runs, records, saves, asked: () => asked }
}

describe('training loop', () => {
  test('runs every step once, in order, and saves at intervals and at the end', async () => {
    const { training, runs, records, saves, asked } = setup()
    await runTraining(training)
    expect(runs.map(({ program, inputs }) => [program, inputs.value![0], inputs.step![0]])).toEqual(
      [1, 2, 3, 4, 5].map((i) => ['train', i, i]),
    )
    expect(records.map(({ step, loss, gradientNorm, clips }) => [step, loss, gradientNorm, clips])).toEqual(
      [1, 2, 3, 4, 5].map((i) => [i, i, 1, 4]),
    )
    expect(saves).toEqual([2, 4, 5])
    expect(asked()).toBe(5) // not one batch more than needed
  })

  test('saves at once when it is asked to, once for each time, and continues', async () => {
    let wanted = false
    const asked: number[] = []
    const { training, records, saves } = setup({ saveEvery: 100, onStep: () => undefined })
    await runTraining({
      ...training,
      onStep(record) {
        records.push(record)
        if (record.step === 3) wanted = true
      },
      saveWanted() {
        asked.push(records.length)
        const now = wanted
        wanted = false
        return now
      },
    })
    expect(saves).toEqual([3, 5])
    expect(records).toHaveLength(5)
    // Behind every step that is not saved anyway.
    expect(asked).toEqual([1, 2, 3, 4])
  })

  test('gives every batch back when the engine is done with it, and not before', async () => {
    for (const programs of [
      { kind: 'whole', train: 'train' },
      { kind: 'accumulated', accumulate: 'accumulate', apply: 'apply', runs: 2 },
    ] as const) {
      const { training, runs } = setup({ programs, steps: 2 })
      const { nextBatch } = training
      const released: [number, number][] = []
      await runTraining({
        ...training,
        async nextBatch() {
          const batch = await nextBatch()
          const value = batch.inputs.value![0]!
          const done = () => runs.filter(({ inputs }) => inputs.value !== undefined).length
          return { ...batch, release: () => released.push([value, done()]) }
        },
      })
      const count = programs.kind === 'whole' ? 2 : 4
      expect(released).toEqual(Array.from({ length: count }, (_, i) => [i + 1, i + 1]))
    }
  })

  test('asks for the next batch before the engine has finished with this one', async () => {
    const order: string[] = []
    const { training } = setup({ steps: 2 })
    const { session, nextBatch } = training
    await runTraining({
      ...training,
      nextBatch: () => {
        order.push('asked')
        return nextBatch()
      },
      session: {
        ...session,
        run: async (program, inputs) => {
          const outputs = await session.run(program, inputs)
          order.push('ran')
          return outputs
        },
      },
    })
    expect(order).toEqual(['asked', 'asked', 'ran', 'ran'])
  })

  test('accumulates several runs into one step', async () => {
    const { training, runs, records } = setup({
      steps: 2,
      programs: { kind: 'accumulated', accumulate: 'accumulate', apply: 'apply', runs: 3 },
      accumulateInputs: { weight: new Float32Array([1 / 3]) },
    })
    await runTraining(training)
    const once = ['accumulate', 'accumulate', 'accumulate', 'apply']
    expect(runs.map(({ program }) => program)).toEqual([...once, ...once])
    expect(runs[0]!.inputs.weight![0]).toBeCloseTo(1 / 3)
    expect(runs[3]!.inputs.step![0]).toBe(1)
    expect(records.map(({ loss, gradientNorm, clips }) => [loss, gradientNorm, clips])).toEqual([
      [2, 2, 12],
      [5, 2, 12],
    ])
  })

  test('continues where it stopped', async () => {
    const { training, runs } = setup({ done: 3 })
    await runTraining(training)
    expect(runs.map(({ inputs }) => inputs.step![0])).toEqual([4, 5])
  })

  test('stops at a loss that is not finite, names the files, and saves nothing', async () => {
    const { training, saves } = setup({ saveEvery: 100 }, (value) => (value === 3 ? Number.NaN : value))
    await expect(runTraining(training)).rejects.toMatchObject({
      code: 'NON_FINITE',
      exit: 'nonFinite',
      message: expect.stringMatching(/step 3 .*NaN[\s\S]*video-3\.mp4/),
    })
    expect(saves).toEqual([])
  })

  test.each([
    ['float16', true],
    ['bfloat16', false],
    [undefined, false],
  ] as const)(
    'in %s the hint about a number that is not finite names the limit of float16: %s',
    async (precision, named) => {
      const { training } = setup({ precision }, () => Number.NaN)
      const { hint } = (await runTraining(training).catch((error: { hint: string }) => error)) as { hint: string }
      expect(hint).toContain('optimizer.clipNorm')
      expect(hint.includes('65504') && hint.includes('engine.precision=float32')).toBe(named)
    },
  )

  test('does not apply a step of which one run is not finite', async () => {
    const programs = { kind: 'accumulated', accumulate: 'accumulate', apply: 'apply', runs: 2 } as const
    const { training, runs } = setup({ programs }, (value) => (value === 4 ? Number.POSITIVE_INFINITY : value))
    await expect(runTraining(training)).rejects.toMatchObject({ code: 'NON_FINITE' })
    expect(runs.filter(({ program }) => program === 'apply')).toHaveLength(1)
  })

  test('saves the last whole step when it is interrupted', async () => {
    const controller = new AbortController()
    const { training, saves, records } = setup({ saveEvery: 100, signal: controller.signal })
    const onStep = (record: StepRecord): void => {
      records.push(record)
      if (record.step === 3) controller.abort()
    }
    await expect(runTraining({ ...training, onStep })).rejects.toMatchObject({
      code: 'INTERRUPTED',
      exit: 'interrupted',
    })
    expect(records).toHaveLength(3)
    expect(saves).toEqual([3])
  })

  test('does not apply half a step when it is interrupted', async () => {
    const controller = new AbortController()
    const programs = { kind: 'accumulated', accumulate: 'accumulate', apply: 'apply', runs: 2 } as const
    const { training, runs, saves } = setup({ programs, signal: controller.signal })
    const { nextBatch } = training
    let calls = 0
    const stopping = (): Promise<TrainingBatch> => {
      if (++calls === 5) controller.abort()
      return nextBatch()
    }
    await expect(runTraining({ ...training, nextBatch: stopping })).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const programsRun = runs.map(({ program }) => program)
    expect(programsRun.filter((program) => program === 'apply')).toHaveLength(saves.at(-1)!)
    expect(programsRun.at(-1)).not.toBe('train')
  })

  test.each(['train', 'accumulate', 'apply'])(
    'cancels the run of %s that is under way when it is interrupted',
    async (under) => {
      const programs =
        under === 'train'
          ? ({ kind: 'whole', train: 'train' } as const)
          : ({ kind: 'accumulated', accumulate: 'accumulate', apply: 'apply', runs: 2 } as const)
      const controller = new AbortController()
      const { training, saves, records } = setup({ programs, saveEvery: 100, signal: controller.signal })
      let canceled = 0
      let end: (error: Error) => void = () => {}
      const session: EngineSession = {
        ...training.session,
        run(program, inputs) {
          if (records.length < 2 || program !== under) return training.session.run(program, inputs)
          setTimeout(() => controller.abort(), 1)
          return new Promise((_, reject) => {
            end = reject
          })
        },
        cancel() {
          canceled++
          end(new VideoMaeError('It was canceled.', { code: 'ENGINE_CANCELED', exit: 'interrupted' }))
        },
      }
      await expect(runTraining({ ...training, session })).rejects.toMatchObject({ code: 'INTERRUPTED' })
      expect([canceled, records.length, saves]).toEqual([1, 2, [2]])
    },
  )

  test('passes on that a run was canceled by somebody else', async () => {
    const { training } = setup()
    const run = () => Promise.reject(new VideoMaeError('It was canceled.', { code: 'ENGINE_CANCELED' }))
    await expect(runTraining({ ...training, session: { ...training.session, run } })).rejects.toMatchObject({
      code: 'ENGINE_CANCELED',
    })
  })

  test('does not wait for data that does not come when it is interrupted', async () => {
    const controller = new AbortController()
    const { training, saves } = setup({ signal: controller.signal })
    const { nextBatch } = training
    let calls = 0
    const hanging = (): Promise<TrainingBatch> => (++calls === 3 ? new Promise(() => {}) : nextBatch())
    setTimeout(() => controller.abort(), 30)
    await expect(runTraining({ ...training, nextBatch: hanging })).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(saves).toEqual([2])
  })

  test('passes on what the data throws', async () => {
    const { training } = setup({ nextBatch: () => Promise.reject(new Error('no videos left')) })
    await expect(runTraining(training)).rejects.toThrow('no videos left')
  })

  test('lets go of batches while a signal is being listened to', async () => {
    const bytes = 8 * 2 ** 20
    const nextBatch = async (): Promise<TrainingBatch> => ({
      inputs: { value: new Float32Array([1]), frames: new Uint8Array(bytes) },
      epoch: 0,
      clips: 1,
      files: [],
    })
    const { signal } = new AbortController()
    const session = fakeSession().session
    const forgetful: EngineSession = {
      ...session,
      run: async (program, inputs) => session.run(program, { value: inputs.value }),
    }
    const before = process.memoryUsage().arrayBuffers
    const { training } = setup({ session: forgetful, nextBatch, signal, steps: 120, saveEvery: 120 })
    await runTraining(training)
    // All 120 batches together are 960 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * bytes)
  })
})
