import * as core from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { expect, test } from 'vitest'
import { installedBackends, loadTfjs, type Packages } from './runtime.ts'

/** Packages that are not on this machine. */
function packages(found: Readonly<Record<string, unknown>>): Packages {
  return {
    versionOf: (name) => (Object.hasOwn(found, name) ? '4.22.0' : null),
    load: async (name) => found[name],
  }
}

const cpu = { '@tensorflow/tfjs-core': core, '@tensorflow/tfjs-backend-cpu': {} }
const unavailable = (text: RegExp, hint: RegExp): unknown =>
  expect.objectContaining({
    code: 'ENGINE_UNAVAILABLE',
    message: expect.stringMatching(text),
    hint: expect.stringMatching(hint),
  })

test('the build for GPUs goes before the one for CPUs, and both before WebAssembly', () => {
  const names = (...found: string[]) =>
    installedBackends(packages(Object.fromEntries(found.map((name) => [`@tensorflow/${name}`, {}])))).map(
      ({ name, package: from }) => `${name} of ${from}`,
    )
  expect(names('tfjs-core', 'tfjs-backend-wasm', 'tfjs-node', 'tfjs-node-gpu')).toEqual([
    'tensorflow of @tensorflow/tfjs-node-gpu',
    'wasm of @tensorflow/tfjs-backend-wasm',
  ])
  expect(names('tfjs-node')).toEqual(['tensorflow of @tensorflow/tfjs-node'])
  // A backend alone cannot compute.
  expect(names('tfjs-backend-wasm')).toEqual([])
})

test('a backend that is missing or unknown says what to install', async () => {
  await expect(loadTfjs(undefined, packages({}))).rejects.toEqual(
    unavailable(/none is installed/, /npm install @tensorflow\/tfjs-core @tensorflow\/tfjs-backend-wasm`/),
  )
  await expect(loadTfjs('tensorflow', packages(cpu))).rejects.toEqual(
    unavailable(/installed backends: cpu\./, /npm install @tensorflow\/tfjs-node`/),
  )
  await expect(loadTfjs('cuda:0', packages(cpu))).rejects.toEqual(
    unavailable(/one of the backends tensorflow, webgpu, wasm, cpu as device, but received cuda:0/, /npm install/),
  )
})

test('a package that does not run on this Node is named, with what does', async () => {
  const old = {
    ...core,
    setBackend: () => {
      throw new TypeError('(0 , util_1.isNullOrUndefined) is not a function')
    },
  }
  // As Node shows a CommonJS module: its names in `default`.
  const found = packages({ ...cpu, '@tensorflow/tfjs-node-gpu': { default: old } })
  await expect(loadTfjs(undefined, found)).rejects.toEqual(
    unavailable(
      /tfjs-node-gpu 4\.22\.0 to run on Node .*isNullOrUndefined/,
      /use Node 20 or 22, or set engine.device to cpu/,
    ),
  )
  expect((await loadTfjs('cpu', found)).backend).toBe('cpu')
})
