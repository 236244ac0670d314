import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { requireAsDescribed } from './as-described.ts'
import { fileDigest } from './file-digest.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-described-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const place = (name: string) => path.join(folder, name)

test('a model that is not the one of its description is refused, its data file too', async () => {
  for (const name of ['m.onnx', 'm.onnx.data']) writeFileSync(place(name), `content of ${name}`)
  const file = async (name: string) => ({ name, bytes: 1, sha256: await fileDigest(place(name)) })
  const files = [await file('m.onnx'), await file('m.onnx.data'), { name: '../other', sha256: '' }]
  writeFileSync(place('m.json'), JSON.stringify({ format: 'videomae-onnx', version: 1, files }))
  await requireAsDescribed(place('m.onnx'))
  for (const name of ['m.onnx.data', 'm.onnx']) {
    writeFileSync(place(name), 'changed')
    await expect(requireAsDescribed(place('m.onnx'))).rejects.toMatchObject({
      ...{ code: 'ONNX_INVALID', exit: 'data' },
      message: expect.stringContaining(`Expected ${place(name)} as ${place('m.json')} describes it`),
    })
    writeFileSync(place(name), `content of ${name}`)
  }
})

test.each(['{"format":"other","files":[{"name":"n.onnx","sha256":"x"}]}', '{"format":"videomae-onnx","fi', ''])(
  'other JSON beside a model says nothing of it: %s',
  async (text) => {
    writeFileSync(place('n.onnx'), 'content')
    writeFileSync(place('n.json'), text)
    await requireAsDescribed(place('n.onnx'))
    rmSync(place('n.json'))
    await requireAsDescribed(place('n.onnx'))
  },
)

test('a name that no file can have is passed over', async () => {
  writeFileSync(place('o.onnx'), 'content')
  writeFileSync(place('o.json'), '{"format":"videomae-onnx","files":[{"name":"o.onnx\\u0000","sha256":""}]}')
  await requireAsDescribed(place('o.onnx'))
})

test('a description cannot make the program read a file many times over', async () => {
  writeFileSync(place('p.onnx'), new Uint8Array(1 << 20))
  const whole = { name: 'p.onnx', sha256: await fileDigest(place('p.onnx')) }
  const files = Array.from({ length: 5000 }, () => whole)
  writeFileSync(place('p.json'), JSON.stringify({ format: 'videomae-onnx', version: 1, files }))
  const before = process.cpuUsage()
  await requireAsDescribed(place('p.onnx'))
  const { user, system } = process.cpuUsage(before)
  expect(user + system, 'microseconds; 5 GB take at least 2 s').toBeLessThan(1e6)
})
