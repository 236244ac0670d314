// @ts-check
/**
 * Runs the programs of examples/ one after another in one process, as they are run from a shell but for the start of Node.js. What
 * each prints goes to stdout as one JSON document.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { exportClassifier, openAnyClassifier } from 'videomae'
import { createDecoder } from 'videomae/video'

/** @type {{ folder: string, programs: string[][], query: string }} */
const { folder, programs, query } = JSON.parse(process.argv[2])
/** @type {Record<string, string>} */
const printed = {}
/** @type {string[]} */
let lines = []
console.log = (...values) => lines.push(values.join(' '))

/** @param {string[]} command */
async function run([name, ...args]) {
  process.argv = [process.execPath, name, ...args]
  lines = []
  const module = await import(`../../examples/${name}`)
  printed[name] = lines.join('\n')
  return module
}

/** @param {string} file a classifier */
async function exported(file) {
  const classifier = await openAnyClassifier(path.join(folder, 'classifier'))
  const { frames, size } = classifier
  await classifier.close()
  const clips = Uint8Array.from({ length: frames * size.height * size.width * 3 }, (_, i) => (i * 37) % 256)
  await exportClassifier(path.join(folder, 'classifier'), { out: file, clips })
}

async function inBrowserRuntime() {
  const file = path.join(folder, 'exported.onnx')
  await exported(file)
  const ort = await import('onnxruntime-web')
  const { middleClip, openClassifier } = await import('../../examples/onnx/classify.mjs')
  const video = await (await createDecoder('node-av')).open(query)
  const { times } = await video.frameTimes()
  const { width, height } = video.info
  const whole = { crop: { x: 0, y: 0, width, height }, scale: { width, height }, flip: false }
  const sidecar = JSON.parse(readFileSync(path.join(folder, 'exported.json'), 'utf8'))
  /** @param {number} seconds */
  const pictureAt = async (seconds) => {
    const pixels = new Uint8Array(width * height * 3)
    const shown = times.findLastIndex((time) => time <= seconds)
    await video.decode([shown], [whole], { width, height }, pixels)
    return { pixels, width, height, channels: 3 }
  }
  const about = { seconds: times[times.length - 1] + times[1], fps: 1 / times[1] }
  const model = readFileSync(file)
  const classifier = await openClassifier(ort, model, sidecar)
  const classes = await classifier.classify(await middleClip(sidecar, about, pictureAt))
  await classifier.close()
  model[model.length - 1] ^= 1
  const refused = await openClassifier(ort, model, sidecar).catch(String)
  video.close()
  return { classes, refused }
}

/** @param {import('node:http').Server} server */
async function ask(server) {
  if (!server.listening) await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const address = `http://127.0.0.1:${port}/`
  const body = readFileSync(query)
  /** @param {RequestInit} request */
  const send = async (request) => {
    const response = await fetch(address, request)
    return { status: response.status, body: await response.json() }
  }
  const answers = {
    address: /** @type {import('node:net').AddressInfo} */ (server.address()).address,
    page: await send({ method: 'POST', body, headers: { origin: 'http://example.com' } }),
    get: await send({}),
    noVideo: await send({ method: 'POST', body: 'no video' }),
    large: await send({ method: 'POST', body: new Uint8Array(200_000) }),
    // Last: what was refused has left it ready.
    both: await Promise.all([send({ method: 'POST', body }), send({ method: 'POST', body })]),
  }
  await new Promise((resolve) => server.close(resolve))
  return answers
}

for (const program of programs) await run(program)
const served = await ask((await run(['serve.mjs', path.join(folder, 'classifier'), '0', '0.1'])).server)
process.stdout.write(JSON.stringify({ printed, served, browser: await inBrowserRuntime() }))
process.exit()
