/** What a server says that calls itself the model hub, and what its cache says of revisions. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { findInCache } from '../../../src/hub/cache.ts'
import { parseReference } from '../../../src/hub/reference.ts'
import { describeFile, describeRepository } from '../../../src/hub/repository.ts'
import { hubSettings } from '../../../src/hub/settings.ts'
import { VideoMaeError } from '../../../src/index.ts'
import { type Format, folderOf, mutateDocument, mutateTextBytes, noticed, single } from './format.ts'

const commit = '0123456789abcdef0123456789abcdef01234567'
const reference = parseReference('owner/name', [])

/** Serves what is in a folder. Ends with the process. */
async function serve(folder: string): Promise<string> {
  const text = (name: string): string => readFileSync(path.join(folder, name), 'latin1')
  const server = http.createServer((request, response) => {
    if (request.method !== 'HEAD') return void response.end(readFileSync(path.join(folder, 'repository.json')))
    // Characters that a header cannot have would be the fault of this server.
    const header = (name: string) =>
      text(name)
        .replaceAll(/[^\x20-\x7e]/g, '')
        .slice(0, 4000)
    response.writeHead(302, {
      location: 'http://0.0.0.0/',
      'x-linked-etag': header('etag'),
      'x-linked-size': header('size'),
    })
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A wrong answer counts as a matter of the connection for users; here it is the data. */
function asData(error: unknown): never {
  if (error instanceof VideoMaeError && error.code === 'HUB_ANSWER_INVALID') throw noticed(error.message)
  throw error
}

function answers(): Format {
  let endpoint = ''
  return folderOf(
    'answers of the hub',
    { 'repository.json': mutateDocument, etag: mutateTextBytes, size: mutateTextBytes },
    async (folder) => {
      const files = ['config.json', 'model.safetensors', 'README.md', 'pytorch_model.bin']
      const answer = { sha: commit, siblings: files.map((rfilename) => ({ rfilename })), cardData: { license: 'mit' } }
      writeFileSync(path.join(folder, 'repository.json'), JSON.stringify(answer))
      writeFileSync(path.join(folder, 'etag'), `"${'ab'.repeat(32)}"`)
      writeFileSync(path.join(folder, 'size'), '4096')
      endpoint = await serve(folder)
    },
    async () => {
      const settings = hubSettings({ HF_ENDPOINT: endpoint })
      const repository = await describeRepository(reference, settings, { delay: 1 }).catch(asData)
      for (const name of repository.files) {
        // They become names of files on this machine.
        if (!/^[\w.-]+$/.test(name) || name.startsWith('.')) throw new Error(`a file would be called ${name}`)
        const { etag } = await describeFile(repository, name, settings, { delay: 1 }).catch(asData)
        if (!/^[0-9a-f]{40,64}$/.test(etag)) throw new Error(`a content would be called ${etag}`)
      }
    },
  )
}

export const hubFormats: readonly Format[] = [
  answers(),
  single(
    'revision in the cache of the hub',
    'cache/models--owner--name/refs/main',
    (location) => {
      const snapshot = path.resolve(location, '../../snapshots', commit)
      mkdirSync(snapshot, { recursive: true })
      for (const file of ['config.json', 'model.safetensors']) writeFileSync(path.join(snapshot, file), '{}')
      writeFileSync(location, commit)
    },
    mutateTextBytes,
    async (location) => {
      const cache = path.resolve(location, '../../..')
      const found = await findInCache(reference, hubSettings({ HF_HUB_CACHE: cache }))
      const whole = path.join(cache, 'models--owner--name', 'snapshots', commit)
      if (found === null) throw noticed('no snapshot is named')
      if (found !== whole) throw new Error(`weights would be read from ${found}`)
    },
  ),
]
