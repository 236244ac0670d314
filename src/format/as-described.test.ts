import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { requireAsDescribed } from './as-described.ts'
import { fileDigest } from './file-digest.ts'

const folder = folderForTests('videomae-described-')
const inFolder = (name: string) => path.join(folder, name)

test('a model that is not the one of its description is refused, its data file too', async () => {
  for (const name of ['m.onnx', 'm.onnx.data']) writeFileSync(inFolder(name), `content of ${name}`)
  const file = async (name: string) => ({ name, bytes: 1, sha256: await fileDigest(inFolder(name)) })
  const files = [await file('m.onnx'), await file('m.onnx.data'), { name: '../other', sha256: '' }]
  writeFileSync(inFolder('m.json'), JSON.stringify({ format: 'videomae-onnx', version: 1, files }))
  await requireAsDescribed(inFolder('m.onnx'))
  for (const name of ['m.onnx.data', 'm.onnx']) {
    writeFileSync(inFolder(name), 'changed')
    await expect(requireAsDescribed(inFolder('m.onnx'))).rejects.toMatchObject({
      ...{ code: 'ONNX_INVALID', exit: 'data' },
      message: expect.stringContaining(`Expected ${inFolder(name)} with SHA-256 `),
    })
    writeFileSync(inFolder(name), `content of ${name}`)
  }
})

test.each(['{"format":"other","files":[{"name":"n.onnx","sha256":"x"}]}', '{"format":"videomae-onnx","fi', ''])(
  'other JSON next to a model says nothing of it: %s',
  async (text) => {
    writeFileSync(inFolder('n.onnx'), 'content')
    writeFileSync(inFolder('n.json'), text)
    await requireAsDescribed(inFolder('n.onnx'))
    rmSync(inFolder('n.json'))
    await requireAsDescribed(inFolder('n.onnx'))
  },
)

test('a name that no file can have is passed over', async () => {
  writeFileSync(inFolder('o.onnx'), 'content')
  writeFileSync(inFolder('o.json'), '{"format":"videomae-onnx","files":[{"name":"o.onnx\\u0000","sha256":""}]}')
  await requireAsDescribed(inFolder('o.onnx'))
})

test('a description cannot make the program read a file many times over', async () => {
  writeFileSync(inFolder('p.onnx'), new Uint8Array(1 << 20))
  const whole = { name: 'p.onnx', sha256: await fileDigest(inFolder('p.onnx')) }
  const files = Array.from({ length: 5000 }, () => whole)
  writeFileSync(inFolder('p.json'), JSON.stringify({ format: 'videomae-onnx', version: 1, files }))
  const before = process.cpuUsage()
  await requireAsDescribed(inFolder('p.onnx'))
  const { user, system } = process.cpuUsage(before)
  expect(user + system, 'microseconds; 5 GB take at least 2 s').toBeLessThan(1e6)
})
