/** `videomae get`, and `hf:OWNER/NAME` in the place of a checkpoint. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { knownWeights, parseReference } from '../../src/hub/reference.ts'
import { hubSettings } from '../../src/hub/settings.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { parameterCount, parameterShapes } from '../../src/model/parameters.ts'
import { presetConfiguration } from '../../src/model/presets.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { HubServer } from '../support/hub-server.ts'
import { runAsText, runHere } from '../support/run-here.ts'

let server: HubServer
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-get-'))
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)
beforeAll(async () => {
  const encoder = { width: 16, depth: 1, heads: 2 }
  const configuration = resolveConfiguration({ encoder, patch: 8, frames: 4, imageSize: 32 })
  const state = initialize(parameterShapes(configuration, 'encoder'), 0, 'pretrain')
  await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'encoder', state })
  const names = ['config.json', 'preprocessor_config.json', 'model.safetensors', 'videomae.sha256']
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(inFolder('encoder', name))]))
  server = new HubServer({ 'some/encoder': files })
  await server.start()
})
beforeEach(() => {
  vi.stubEnv('HF_ENDPOINT', server.endpoint)
  vi.stubEnv('HF_HOME', inFolder('home'))
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('get downloads weights that load, and says under which license', async () => {
  const { code, text } = await runAsText('get some/encoder', inFolder('weights'))
  expect(code, text).toBe(0)
  expect(text).toContain('license: cc-by-nc-4.0 (no commercial use')
  expect(existsSync(inFolder('weights', 'model.safetensors'))).toBe(true)
  const line = ['--out', inFolder('weights.onnx'), '--engine', 'reference']
  expect((await runHere('export', inFolder('weights'), ...line)).document.error).toBeUndefined()
})

test('hf: is downloaded before the command begins, and used offline later', async () => {
  const exported = async (name: string) =>
    runHere('export', 'hf:some/encoder', '--out', inFolder(name), '--engine', 'reference')
  expect((await exported('online.onnx')).document.error).toBeUndefined()
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  const before = server.received.length
  expect((await exported('offline.onnx')).document.error).toBeUndefined()
  expect(server.received.length).toBe(before)
  expect(readFileSync(inFolder('offline.onnx')).equals(readFileSync(inFolder('online.onnx')))).toBe(true)
  await expect(runHere('export hf:some/other')).rejects.toMatchObject({ code: 'HUB_OFFLINE' })
  vi.stubEnv('HF_HUB_OFFLINE', '')
})

test('hf: stands for a checkpoint in --from and --set, too', async () => {
  for (const line of [
    ['--from', 'hf:some/encoder'],
    ['--from', 'scratch', '--set', 'model.like=hf:some/encoder'],
  ]) {
    const { document } = await runHere('finetune', inFolder('encoder'), '--print-config', ...line)
    expect(JSON.stringify(document), line[1]).toContain('models--some--encoder/snapshots')
  }
})

test('without a name, the list', async () => {
  const { text } = await runAsText('get')
  expect(text).toMatch(/^videomae-base +encoder and decoder +377 MB +cc-by-nc-4\.0 +Kinetics-400/m)
  for (const line of ['get videomae-bse x', 'get videomae-base'])
    expect((await runHere(line)).document.error?.code, line).toBe('INVALID_ARGUMENT')
})

test('the list has the sizes that these models have here', () => {
  const counts = new Map<string, number>()
  const kinds = { pretrained: 'pretrain', encoder: 'encoder', classifier: 'classify' } as const
  for (const { name, size, kind, parameters, data } of knownWeights()) {
    if (size !== 'small' && size !== 'base') continue // graphs of many blocks take seconds
    const classes = kind !== 'classifier' ? null : data.startsWith('Kinetics') ? 400 : 174
    const key = `${size} ${kind} ${classes}`
    if (!counts.has(key))
      counts.set(key, parameterCount(parameterShapes(presetConfiguration(size), kinds[kind], classes)))
    expect(parameters, name).toBeCloseTo(counts.get(key)! / 1e6, 2)
  }
})

test.each(['../x', 'a/../b', 'a/b/c', 'https://huggingface.co/a/b', 'a/b@../main', 'a b', '@main'])(
  '%s names nothing',
  (name) => {
    expect(() => parseReference(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  },
)

test('the variables of the Hugging Face tools are read', () => {
  const of = (environment: Record<string, string>) => hubSettings(environment)
  expect(of({ HF_HOME: '/h' }).cache).toBe(path.join('/h', 'hub'))
  expect(of({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cache).toBe('/c')
  expect(of({ XDG_CACHE_HOME: '/x' }).cache).toBe(path.join('/x', 'huggingface', 'hub'))
  expect(of({ HF_ENDPOINT: 'https://mirror.example/' }).endpoint).toBe('https://mirror.example')
  expect(of({}).token).toBeNull()
  expect(() => of({ HF_ENDPOINT: 'mirror.example' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  const far = new URL('https://huggingface.co/x')
  expect(of({ https_proxy: 'proxy:3128' }).proxyFor(far)?.host).toBe('proxy:3128')
  expect(of({ http_proxy: 'http://proxy' }).proxyFor(far)).toBeNull()
  for (const no_proxy of ['*', 'huggingface.co', '.co', 'huggingface.co:443'])
    expect(of({ HTTPS_PROXY: 'http://proxy', no_proxy }).proxyFor(far), no_proxy).toBeNull()
  for (const no_proxy of ['face.co', 'huggingface.co:80'])
    expect(of({ HTTPS_PROXY: 'http://proxy', no_proxy }).proxyFor(far), no_proxy).not.toBeNull()
})
