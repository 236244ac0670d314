/** What `doctor` says of ONNX Runtime's execution providers. Oracle: a session of each, opened here. */
import { expect, test } from 'vitest'
import { engineNamed } from '../../src/engine/index.ts'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { checkProviders, requireProvider } from '../../src/engine/onnx/providers.ts'
import { Graph } from '../../src/graph/graph.ts'
import { scale } from '../../src/graph/operations/elementwise.ts'
import { videomaeAlone as videomae } from '../support/run-program.ts'

test('names a provider as usable only where a session opens with it', async () => {
  const checked = await checkProviders()
  expect(checked).toContainEqual({ name: 'cpu', usable: true })
  const { stdout, stderr } = await videomae('doctor', '--json')
  expect(stderr).toBe('')
  const { findings } = JSON.parse(stdout) as { findings: { part: string; detail: string }[] }
  const { detail } = findings.find(({ part }) => part === 'onnx providers')!
  const [usable] = detail.split(';')
  expect(usable.split(', ')).toEqual(checked.filter((provider) => provider.usable).map(({ name }) => name))
  // The build for Linux names CUDA, whether or not its libraries are here.
  for (const { name, usable: opens } of checked) if (!opens) expect(detail.slice(usable.length)).toContain(name)
})

test('takes a provider that opens no session for unusable', async () => {
  expect(await checkProviders(['cpu', 'no-such-provider'])).toEqual([
    { name: 'cpu', usable: true },
    { name: 'no-such-provider', usable: false },
  ])
})

test('a provider that is built in but does not run is refused before a run and at its start', async ({ skip }) => {
  const missing = (await checkProviders()).find(({ usable }) => !usable)
  if (missing === undefined) return skip('every provider runs here')
  const { name: device } = missing
  const unavailable = { code: 'ENGINE_UNAVAILABLE', exit: 'environment', message: expect.stringContaining(device) }
  await expect(requireProvider(device)).rejects.toMatchObject(unavailable)
  await expect((await engineNamed('onnx')).requireOptions?.({ device })).rejects.toMatchObject(unavailable)
  const graph = new Graph('twice')
  const program = graph.build({ y: scale(graph.input('x', [1]), 2) })
  await expect(inThreadOnnxEngine.open([program], { device })).rejects.toMatchObject(unavailable)
  await expect(requireProvider('cpu')).resolves.toBeUndefined()
})

test('a signal ends the measurement within a step', async () => {
  const { measureApart } = await import('../../src/train/measure-apart.ts')
  const stopping = new AbortController()
  const reason = new Error('stop')
  const engine = await engineNamed('onnx')
  const measuring = measureApart({ engine, precision: 'float32' }, stopping.signal)
  setTimeout(() => stopping.abort(reason), 200)
  await expect(measuring).rejects.toBe(reason)
  await expect(measureApart({ engine, precision: 'float32' }, stopping.signal)).rejects.toBe(reason)
})

test('a step is timed in a process of its own', async () => {
  const { measureApart } = await import('../../src/train/measure-apart.ts')
  const engine = await engineNamed('onnx')
  const signal = new AbortController().signal
  const time = await measureApart({ engine, precision: 'float32' }, signal)
  expect(time.failure).toBeNull()
  expect(time.milliseconds).toBeGreaterThan(0)
  const unknown = await measureApart({ engine: { ...engine, name: 'none' }, precision: 'float32' }, signal)
  expect(unknown).toMatchObject({ milliseconds: null, failure: expect.stringContaining('ended with code 1') })
})
