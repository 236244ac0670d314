// @ts-check
/**
 * A classifier as a service on this machine: `curl --data-binary @clip.mp4 http://127.0.0.1:8080/`. It listens on 127.0.0.1 only,
 * takes one request at a time, limits the size of a body, and answers no web page.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openAnyClassifier } from 'videomae'

const [from, port = '8080', megabytes = '100'] = process.argv.slice(2)
if (from === undefined) throw new Error('Usage: node examples/serve.mjs CLASSIFIER [PORT] [MEGABYTES]')

const classifier = await openAnyClassifier(from)
let busy = false

/** @param {import('node:http').IncomingMessage} request */
async function answer(request) {
  // A browser names the page that a request comes from; curl and programs do not.
  if (request.headers.origin !== undefined)
    return { status: 403, body: { error: 'Pages of the web are not answered.' } }
  if (request.method !== 'POST') return { status: 405, body: { error: 'POST the bytes of a video.' } }
  if (busy) return { status: 503, body: { error: 'Another video is being classified. Try again.' } }
  busy = true
  const folder = await mkdtemp(path.join(tmpdir(), 'videomae-serve-'))
  try {
    const parts = []
    let bytes = 0
    for await (const part of request) {
      bytes += part.length
      if (bytes > Number(megabytes) * 1e6) return { status: 413, body: { error: `More than ${megabytes} MB.` } }
      parts.push(part)
    }
    const file = path.join(folder, 'video')
    await writeFile(file, Buffer.concat(parts))
    const [prediction] = await classifier.predict([file], { timeoutSeconds: 20 })
    if (!prediction.ok) return { status: 422, body: { error: prediction.reason, code: prediction.code } }
    return { status: 200, body: { classes: prediction.classes } }
  } finally {
    busy = false
    await rm(folder, { recursive: true, force: true })
  }
}

export const server = createServer((request, response) => {
  void answer(request)
    .catch((error) => ({ status: 500, body: { error: String(error) } }))
    .then(({ status, body }) => {
      // The rest of a refused body is not read.
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      response.end(`${JSON.stringify(body)}\n`)
    })
})
server.requestTimeout = 60_000
server.on('close', () => classifier.close())
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on 127.0.0.1`, server.address()))
