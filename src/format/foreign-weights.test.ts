import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { hubHint, otherFormat } from './foreign-weights.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const folder = folderForTests('videomae-foreign-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

function directory(name: string, ...files: string[]): string {
  mkdirSync(inFolder(name), { recursive: true })
  for (const file of files) {
    mkdirSync(path.dirname(inFolder(name, file)), { recursive: true })
    writeFileSync(inFolder(name, file), '')
  }
  return inFolder(name)
}

describe('files', () => {
  test.each([
    ['weights.pth', '504b0304000008080000', 'PYTORCH_FILE', /zip archive.*torch\.save/],
    ['zip-without-flags.bin', '504b0304000000000000', 'PYTORCH_FILE', /zip archive/],
    ['legacy.pt', '80028a0a6cfc9c46f920', 'PYTORCH_FILE', /pickle/],
    ['protocol-4.ckpt', '8004952a000000000000', 'PYTORCH_FILE', /pickle/],
    ['keras.h5', '894844460d0a1a0a0000', 'SAFETENSORS_INVALID', /HDF5/],
    ['picture.png', '89504e470d0a1a0a0000', 'SAFETENSORS_INVALID', /a picture \(PNG\)/],
    ['video.mp4', '000000206674797069736f6d', 'SAFETENSORS_INVALID', /a video \(MP4 or MOV\)/],
    ['page.safetensors', Buffer.from('<!DOCTYPE html>').toString('hex'), 'SAFETENSORS_INVALID', /text .*<!DOCTYP/],
    [
      'model.safetensors',
      Buffer.from('version https://git-lfs.github.com/spec/v1').toString('hex'),
      'SAFETENSORS_INVALID',
      /Git LFS/,
    ],
  ])('%s is called what it is', async (name, hex, code, message) => {
    writeFileSync(inFolder(name), Buffer.from(hex, 'hex'))
    await expect(readSafetensors(inFolder(name))).rejects.toMatchObject({
      code,
      exit: 'data',
      message: expect.stringMatching(message),
    })
  })

  test('of safetensors whose header has a size that begins like a pickle are read', async () => {
    // Sizes 0x0280 and 0x0480.
    for (const size of [0x0280, 0x0480]) {
      expect(otherFormat(Uint8Array.of(size & 255, size >> 8, 0, 0, 0, 0, 0, 0))).toBeNull()
    }
    for (let length = 1; length < 1300; length += 8) {
      const file = inFolder('sized.safetensors')
      await writeSafetensors(file, new Map([['x', { shape: [1], data: Float32Array.of(1) }]]), {
        note: 'n'.repeat(length),
      })
      await (await readSafetensors(file)).close()
    }
  })
})

describe('directories', () => {
  test.each([
    ['pytorch', ['config.json', 'pytorch_model.bin'], 'PYTORCH_FILE', /pytorch_model\.bin/, /from-python/],
    ['original', ['checkpoint-799.pth'], 'PYTORCH_FILE', /checkpoint-799\.pth/, /from-python/],
    [
      'trainer',
      ['checkpoint-9/model.safetensors', 'checkpoint-10/model.safetensors'],
      'SAFETENSORS_NOT_FOUND',
      /trainer with 2 checkpoints/,
      /newest: .*checkpoint-10$/,
    ],
    [
      'trainer-bin',
      ['checkpoint-500/pytorch_model.bin', 'checkpoint-500/optimizer.pt'],
      'SAFETENSORS_NOT_FOUND',
      /one checkpoint/,
      /pytorch_model\.bin: convert/,
    ],
    ['trainer-empty', ['checkpoint-500/config.json'], 'SAFETENSORS_NOT_FOUND', /one checkpoint/, /no weights either/],
    ['named', ['vit_b.safetensors'], 'SAFETENSORS_NOT_FOUND', /vit_b\.safetensors/, /Name the file/],
    ['other', ['readme.txt'], 'SAFETENSORS_NOT_FOUND', /readme\.txt/, /run folder/],
    ['empty', [], 'SAFETENSORS_NOT_FOUND', /is empty/, /run folder/],
  ])('%s', async (name, files, code, message, hint) => {
    await expect(readSafetensors(directory(name, ...files))).rejects.toMatchObject({
      code,
      exit: 'data',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    })
  })
})

test('a name on a hub is told from a path', () => {
  for (const name of ['MCG-NJU/videomae-base', 'hf:MCG-NJU/videomae-base'])
    expect(hubHint(name)).toMatch(/hf:MCG-NJU\/videomae-base on .*videomae get MCG-NJU\/videomae-base videomae-base`/)
  for (const name of ['videomae-base', './a/b', '../a/b', '/a/b', 'a/b/c', 'checkpoints/run', 'a b/c'])
    expect(hubHint(name), name).toBeNull()
})
