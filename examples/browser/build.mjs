// @ts-check
/** Puts the page, an exported classifier and onnxruntime-web into one folder for a server of static files: node examples/browser/build.mjs classifier.onnx site */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const [model, out] = process.argv.slice(2)
if (model === undefined || out === undefined) throw new Error('Expected a classifier (.onnx) and a folder to write.')
const description = model.replace(/\.onnx$/, '.json')
if (!existsSync(description)) throw new Error(`Expected ${description} next to ${model}; videomae export writes both.`)
const { files, task } = JSON.parse(readFileSync(description, 'utf8'))
if (task !== 'classify') throw new Error(`Expected a classifier; ${model} is for ${task}.`)
if (files.length !== 1) throw new Error(`Expected a model in one file; ${model} has ${files.length}.`)

const library = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web'))
const runtime = readdirSync(library).filter((name) => /^ort\.webgpu\.bundle\.min\.mjs$|\.asyncify\.wasm$/.test(name))
const here = import.meta.dirname
mkdirSync(out, { recursive: true })
for (const [from, name] of [
  [model, 'classifier.onnx'],
  [description, 'classifier.json'],
  ...['index.html', 'page.mjs', 'pictures.mjs', 'presented.mjs', 'seek.mjs'].map((name) => [
    path.join(here, name),
    name,
  ]),
  ...['classify.mjs', 'clip.mjs'].map((name) => [path.join(here, '../onnx', name), name]),
  ...runtime.map((name) => [path.join(library, name), name]),
]) {
  copyFileSync(from, path.join(out, name))
}
console.log(`${out}: serve it, for example with \`python3 -m http.server 8000 --bind 127.0.0.1 --directory ${out}\``)
