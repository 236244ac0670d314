import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import {
  decodeModel,
  encodeModel,
  type OnnxModel,
  type OnnxNode,
  readModel,
  writeCheckedModel,
  writeModel,
} from './onnx.ts'
import { modelWriter } from './onnx-encode.ts'
import { ProtobufWriter } from './protobuf.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** y = Gelu(slice(x)[B, 3] W + b) * half, an int64 axis sum, and a cast of each other type; every attribute kind occurs. */
function example(weights = Float32Array.of(1, 2, 3, 4, 5, 6)): OnnxModel {
  const cast = (type: 'float16' | 'uint8' | 'int8' | 'bool' | 'int32' | 'float64'): OnnxNode => ({
    op: 'Cast',
    inputs: [type],
    outputs: [`${type}_out`],
    attributes: { to: { int: 1 } },
  })
  return {
    irVersion: 8,
    opsets: [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ],
    producerName: 'videomae',
    producerVersion: '0.1.0',
    metadata: { mean: '[0.485,0.456,0.406]', labels: '["gehen","läuft"]' },
    graph: {
      name: 'example',
      inputs: [{ name: 'x', type: 'float32', shape: ['batch', 4] }],
      outputs: [
        { name: 'y', type: 'float32', shape: ['batch', 2] },
        { name: 'sum', type: 'float32', shape: [1] },
      ],
      initializers: [
        { name: 'w', type: 'float32', shape: [3, 2], data: weights },
        { name: 'b', type: 'float32', shape: [2], data: Float32Array.of(0.5, -0.5) },
        { name: 'starts', type: 'int64', shape: [1], data: BigInt64Array.of(1n) },
        { name: 'ends', type: 'int64', shape: [1], data: BigInt64Array.of(2n ** 63n - 1n) },
        { name: 'axes', type: 'int64', shape: [1], data: BigInt64Array.of(-1n) },
        { name: 'float16', type: 'float16', shape: [1], data: Uint16Array.of(0x3e00) },
        { name: 'uint8', type: 'uint8', shape: [1], data: Uint8Array.of(255) },
        { name: 'int8', type: 'int8', shape: [1], data: Int8Array.of(-128) },
        { name: 'bool', type: 'bool', shape: [1], data: Uint8Array.of(1) },
        { name: 'int32', type: 'int32', shape: [1], data: Int32Array.of(-70_000) },
        { name: 'float64', type: 'float64', shape: [1], data: Float64Array.of(0.25) },
      ],
      nodes: [
        { op: 'Slice', inputs: ['x', 'starts', 'ends', 'axes'], outputs: ['tail'], name: 'slice' },
        { op: 'MatMul', inputs: ['tail', 'w'], outputs: ['product'] },
        { op: 'Add', inputs: ['product', 'b'], outputs: ['biased'] },
        { op: 'Gelu', domain: 'com.microsoft', inputs: ['biased'], outputs: ['gelu'] },
        {
          op: 'Constant',
          inputs: [],
          outputs: ['half'],
          attributes: { value: { tensor: { type: 'float32', shape: [], data: Float32Array.of(0.5) } } },
        },
        { op: 'Constant', inputs: [], outputs: ['ones'], attributes: { value_floats: { floats: [1, 1] } } },
        { op: 'Mul', inputs: ['gelu', 'half'], outputs: ['halved'] },
        { op: 'Mul', inputs: ['halved', 'ones'], outputs: ['scaled'] },
        { op: 'Transpose', inputs: ['scaled'], outputs: ['turned'], attributes: { perm: { ints: [1, 0] } } },
        { op: 'Transpose', inputs: ['turned'], outputs: ['back'], attributes: { perm: { ints: [1, 0] } } },
        { op: 'LeakyRelu', inputs: ['back'], outputs: ['y'], attributes: { alpha: { float: 1 } } },
        ...(['float16', 'uint8', 'int8', 'bool', 'int32', 'float64'] as const).map(cast),
        {
          op: 'Sum',
          inputs: ['float16_out', 'uint8_out', 'int8_out', 'bool_out', 'int32_out', 'float64_out'],
          outputs: ['sum'],
        },
      ],
    },
  }
}

async function run(model: Uint8Array | string): Promise<{ y: number[]; dims: readonly number[]; sum: number }> {
  const session = await (typeof model === 'string' ? InferenceSession.create(model) : InferenceSession.create(model))
  const x = new Tensor('float32', Float32Array.of(9, 1, 0, 0, 9, 0, 1, -1), [2, 4])
  const { y, sum } = await session.run({ x })
  await session.release()
  return { y: [...(y.data as Float32Array)], dims: y.dims, sum: Number(sum.data[0]) }
}

/** Exact GELU by numeric integration of the normal density, independent of any erf implementation. */
function gelu(x: number): number {
  const steps = 4000
  let area = 0
  for (let i = 0; i < steps; i++) {
    const t = ((i + 0.5) / steps) * x
    area += (Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI)) * (x / steps)
  }
  return x * (0.5 + area)
}

function expectExample(result: { y: number[]; dims: readonly number[]; sum: number }): void {
  expect(result.dims).toEqual([2, 2])
  // rows [1,0,0] and [0,1,-1] of W, plus the bias
  const expected = [1.5, 1.5, -1.5, -2.5].map((value) => gelu(value) / 2)
  result.y.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 6)
  })
  expect(result.sum).toBeCloseTo(1.5 + 255 - 128 + 1 - 70_000 + 0.25, 3)
}

describe('ONNX models', () => {
  test('run in ONNX Runtime with every type and attribute kind', async () => {
    expectExample(await run(encodeModel(example())))
  })

  test('come back as they were written', () => {
    expect(decodeModel(encodeModel(example()))).toEqual(example())
  })

  test('with weights next to the model run, and come back', async () => {
    const wide = example(Float32Array.from({ length: 6 }, (_, i) => i + 1))
    const large = {
      name: 'large',
      type: 'float32' as const,
      shape: [1, 2, 500],
      data: new Float32Array(1000).fill(0.25),
    }
    const model: OnnxModel = {
      ...wide,
      graph: {
        ...wide.graph,
        initializers: [...wide.graph.initializers, { ...large, name: 'first' }, large],
        outputs: [...wide.graph.outputs, { name: 'total', type: 'float32', shape: [1, 1, 1] }],
        nodes: [
          ...wide.graph.nodes,
          { op: 'Add', inputs: ['first', 'large'], outputs: ['both'] },
          { op: 'ReduceSum', inputs: ['both'], outputs: ['total'] },
        ],
      },
    }
    const path = join(folder, 'outside.onnx')
    const written = await writeModel(path, model, { externalData: 'always' })
    expect(written).toEqual([path, `${path}.data`])
    expect((await stat(`${path}.data`)).size).toBe(4096 + 4000)
    expect((await stat(path)).size).toBeLessThan(4000)
    expectExample(await run(path))
    const session = await InferenceSession.create(path)
    const { total } = await session.run({ x: new Tensor('float32', new Float32Array(4), [1, 4]) })
    expect(total.data[0]).toBe(500)
    await session.release()
    expect(await readModel(path)).toEqual(model)
    expect(() => decodeModel(encodeModel(model))).not.toThrow()

    await truncate(`${path}.data`, 5000)
    await expect(readModel(path)).rejects.toMatchObject({ code: 'ONNX_INVALID' })
    await rm(`${path}.data`)
    await expect(readModel(path)).rejects.toMatchObject({ code: 'ONNX_INVALID' })
  })

  /** With a tensor that is large enough to be outside. */
  function large(): OnnxModel {
    const data = new Float32Array(1000).fill(0.5)
    const initializers = [
      ...example().graph.initializers,
      { name: 'big', type: 'float32' as const, shape: [1000], data },
    ]
    return { ...example(), graph: { ...example().graph, initializers } }
  }

  test.skipIf(process.platform === 'win32')(
    'are written where a link leads, the data under the same name',
    async () => {
      const location = await mkdtemp(join(folder, 'linked-'))
      await mkdir(join(location, 'models'))
      await symlink(join('models', 'v1.onnx'), join(location, 'current.onnx'))
      const { files, checked } = await writeCheckedModel(join(location, 'current.onnx'), large(), readModel, {
        externalData: 'always',
      })
      expect(checked).toEqual(large())
      expect((await readdir(join(location, 'models'))).sort()).toEqual(['v1.onnx', 'v1.onnx.data'])
      expect(await Promise.all(files.map((file) => stat(file)))).toHaveLength(2)
      expect(await readModel(join(location, 'models', 'v1.onnx'))).toEqual(large())
      expect((await lstat(join(location, 'current.onnx'))).isSymbolicLink()).toBe(true)
      expect(await readdir(location)).toEqual(['current.onnx', 'models'])
    },
  )

  test('outside take their place together, after they were tried', async () => {
    const model = large()
    const location = await mkdtemp(join(folder, 'checked-'))
    const path = join(location, 'model.onnx')
    const contents = async () => (await readdir(location)).sort()
    await writeFile(path, 'an earlier one')
    const refused = writeCheckedModel(path, model, () => Promise.reject(new Error('wrong')), { externalData: 'always' })
    await expect(refused).rejects.toThrow('wrong')
    expect(await contents()).toEqual(['model.onnx'])
    expect(await readFile(path, 'utf8')).toBe('an earlier one')

    const check = async (file: string) => {
      expect(await readFile(path, 'utf8')).toBe('an earlier one')
      return readModel(file)
    }
    const { files, checked } = await writeCheckedModel(path, model, check, { externalData: 'always' })
    expect(files).toEqual([path, `${path}.data`])
    expect(checked).toEqual(model)
    expect(await contents()).toEqual(['model.onnx', 'model.onnx.data'])
    expect(await readModel(path)).toEqual(model)
  })

  test('inside one file when small', async () => {
    const path = join(folder, 'inside.onnx')
    expect(await writeModel(path, example())).toEqual([path])
    expect(new Uint8Array(await readFile(path))).toEqual(encodeModel(example()))
    expectExample(await run(path))
  })

  test('that name a data file elsewhere are refused', async () => {
    const path = join(folder, 'escape.onnx')
    const data = Float32Array.from({ length: 600 })
    const model = example()
    const graph = { ...model.graph, initializers: [{ name: 'w', type: 'float32' as const, shape: [600], data }] }
    await writeModel(path, { ...model, graph }, { externalData: 'always' })
    const bytes = await readFile(path)
    const at = bytes.indexOf('escape.onnx.data')
    bytes.write('../etc/somewhere', at)
    await writeFile(path, bytes)
    await expect(readModel(path)).rejects.toThrow('in another folder')
  })

  test('are checked when written', () => {
    const model = example()
    const broken = (initializer: OnnxModel['graph']['initializers'][number]) => () =>
      encodeModel({ ...model, graph: { ...model.graph, initializers: [initializer] } })
    expect(broken({ name: 'w', type: 'float32', shape: [7], data: new Float32Array(6) })).toThrow('7 values')
    expect(broken({ name: 'w', type: 'int64', shape: [6], data: new Float32Array(6) })).toThrow('array for int64')
  })

  test('that are damaged give an error, not a crash', () => {
    const bytes = encodeModel(example())
    for (let length = 0; length < bytes.length; length += 3) {
      try {
        decodeModel(bytes.subarray(0, length))
      } catch (error) {
        expect(error).toBeInstanceOf(VideoMaeError)
      }
    }
    expect(() => decodeModel(new Uint8Array())).toThrow('no graph')
  })

  /** A model whose one initializer is written by `tensor`, field by field. */
  const modelWith = (tensor: (writer: ProtobufWriter) => void): Uint8Array =>
    new ProtobufWriter()
      .int(1, 8)
      .message(7, (graph) => {
        graph.message(5, (writer) => {
          tensor(writer)
          writer.string(8, 'w')
        })
      })
      .finish()

  test('with sizes below zero, or more axes than any operator takes, are refused', () => {
    const shaped = (...sizes: number[]) =>
      modelWith((writer) => writer.packedInts(1, sizes).int(2, 1).bytes(9, new Uint8Array(8)))
    expect(() => decodeModel(shaped(2))).not.toThrow()
    expect(() => decodeModel(shaped(-1, -2))).toThrow('impossible shape [-1, -2]')
    expect(() => decodeModel(shaped(...Array.from({ length: 65 }, () => 1)))).toThrow('65 axes')
  })

  test('take no more memory than their numbers have bytes', () => {
    const count = 100_000
    const bytes = modelWith((writer) =>
      writer.packedInts(1, [count]).int(2, 7).packedInts(7, new Uint8Array(count).fill(1)),
    )
    const { data } = decodeModel(bytes).graph.initializers[0]
    expect(data).toBeInstanceOf(BigInt64Array)
    expect(data.buffer.byteLength).toBe(8 * count)
    const floats = modelWith((writer) =>
      writer.packedInts(1, [count]).int(2, 1).packedFloats(4, new Float32Array(count).fill(1)),
    )
    expect(decodeModel(floats).graph.initializers[0].data.buffer.byteLength).toBe(4 * count)
  })

  test('that use one small data file again and again are refused', async () => {
    const path = join(folder, 'reused.onnx')
    const size = 4096
    await writeFile(`${path}.data`, new Uint8Array(size))
    const use = (times: number) => {
      const initializers = Array.from({ length: times }, (_, i) => ({
        name: `w${i}`,
        type: 'float32' as const,
        shape: [size / 4],
        data: new Float32Array(size / 4),
      }))
      const model = { ...example(), graph: { ...example().graph, initializers } }
      return modelWriter(model, () => ({ location: 'reused.onnx.data', offset: 0, length: size })).finish()
    }
    await writeFile(path, use(4))
    expect((await readModel(path)).graph.initializers).toHaveLength(4)
    await writeFile(path, use(5))
    await expect(readModel(path)).rejects.toThrow('more than 4 times the size of')
  })

  test('of 5,000 nodes encode in linear time, well under 0.4 s', () => {
    const build = (count: number): OnnxModel => {
      const nodes: OnnxNode[] = []
      for (let i = 0; i < count; i++) {
        nodes.push({
          op: 'FusedMatMul',
          domain: 'com.microsoft',
          name: `encoder/layer.${i}/attention/query`,
          inputs: [`encoder/layer.${i - 1}/value`, `encoder/layer.${i}/weight`],
          outputs: [`encoder/layer.${i}/value`],
          attributes: { transA: { int: 0 }, transB: { int: 1 }, alpha: { float: 0.125 }, perm: { ints: [0, 2, 1, 3] } },
        })
      }
      return { ...example(), graph: { ...example().graph, nodes } }
    }
    // CPU time: what else runs on the machine costs none of it.
    const best = (count: number) => {
      const model = build(count)
      let best = Number.POSITIVE_INFINITY
      for (let round = 0; round < 5; round++) {
        const start = process.cpuUsage()
        encodeModel(model)
        const { user, system } = process.cpuUsage(start)
        best = Math.min(best, (user + system) / 1000)
      }
      return best
    }
    best(1000)
    const small = best(5000)
    expect(small).toBeLessThan(400)
    expect(best(40_000)).toBeLessThan(8 * small * 4)
    expect(decodeModel(encodeModel(build(5000))).graph.nodes.length).toBe(5000)
  })
})
