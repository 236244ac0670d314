import { describe, expect, test } from 'vitest'
import { refusingOutputs, runInPlace } from '../../src/engine/onnx/in-place.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { encodeModel, type OnnxModel } from '../../src/format/onnx.ts'

const vector = (name: string) => ({ name, type: 'float32' as const, shape: [2] })

function model(op: string): OnnxModel {
  return {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: {
      name: 'any',
      inputs: [vector('x')],
      outputs: [vector('y')],
      initializers: [],
      nodes: [{ op, inputs: ['x'], outputs: ['y'] }],
    },
  }
}

describe('a run in place', () => {
  test('writes into the given tensors, and the binding copies none of them', async () => {
    const { create, Tensor } = await loadRuntime()
    const session = await create(encodeModel(refusingOutputs(model('Neg'))), {})
    const x = new Tensor(Float32Array.of(1, -2), [2])
    const y = new Tensor(new Float32Array(2), [2])
    await runInPlace(session, { x }, { y })
    expect(y.data).toEqual(Float32Array.of(-1, 2))
    // Where this no longer holds, a later binding returns sequences: in-place.ts then costs copies and has to go.
    await expect(session.run({ x }, { update_none: null, y })).rejects.toThrow(/^Non tensor type/)
    await session.release()
  })

  test('passes errors of the run on', async () => {
    const { create, Tensor } = await loadRuntime()
    const session = await create(encodeModel(refusingOutputs(model('Neg'))), {})
    const y = new Tensor(new Float32Array(2), [2])
    await expect(runInPlace(session, { x: new Tensor(new Float32Array(3), [3]) }, { y })).rejects.toThrow(/invalid dim/)
    await session.release()
  })
})
