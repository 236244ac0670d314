/** Runs that are told to stop: by which signal, and with nobody left to read what they say. Oracle: the checkpoint that they leave. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { listEngines } from '../../src/engine/index.ts'
import { startVideomae } from '../support/run-program.ts'
import { createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

let folder: string
let tiny: TinyRun
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-signals-'))
  tiny = await createTinyRun(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function start(run: string, ...more: string[]) {
  const all = ['--recipe', tiny.recipe, '--engine', 'onnx', '--threads', '1', '--set', 'schedule.duration=100000 steps']
  return startVideomae('pretrain', tiny.videos, '--out', run, ...all, '--set', 'checkpoint.every=100000 steps', ...more)
}

const saved = (run: string): boolean =>
  existsSync(path.join(run, `step-${String(curve(run).at(-1)!.step).padStart(8, '0')}`))

describe.skipIf(process.platform === 'win32')('a run saves and ends with 130', () => {
  test.each(['SIGTERM', 'SIGHUP'] as const)('at %s', async (signal) => {
    const run = path.join(folder, signal)
    const started = start(run)
    await untilStep(started, 3)
    started.process.kill(signal)
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain(`${signal}: stopping; a second one quits at once.`)
    expect(saved(run)).toBe(true)
  })

  test('at SIGHUP when the terminal is gone', async () => {
    const run = path.join(folder, 'no-terminal')
    const started = start(run)
    await untilStep(started, 3)
    started.process.stderr!.destroy()
    started.process.stdout!.destroy()
    started.process.kill('SIGHUP')
    expect((await started.ended).code).toBe(130)
    expect(saved(run)).toBe(true)
  })
})

test.skipIf(process.platform === 'win32')('a run continues when nobody reads its progress any more', async () => {
  const run = path.join(folder, 'unread')
  const started = start(run)
  await untilStep(started, 3)
  started.process.stderr!.destroy()
  const before = curve(run).at(-1)!.step
  while (curve(run).at(-1)!.step < before + 20 && started.process.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  started.process.kill('SIGTERM')
  expect((await started.ended).code).toBe(130)
  expect(saved(run)).toBe(true)
})

/** A step of many minutes in a few hundred MB, in a process that saves nothing: what ends it is the second signal alone. */
const longStep = (engine: string): string => `
import { interruptSignal } from '${entry('cli/interrupt')}'
import { engineNamed } from '${entry('engine/index')}'
import { Graph } from '${entry('graph/graph')}'
import { linear } from '${entry('graph/operations/linear')}'

const graph = new Graph('long')
const weight = graph.state('weight', [4096, 4096])
let x = graph.input('x', [4096, 4096])
for (let i = 0; i < 400; i++) x = linear(x, weight)
const session = await (await engineNamed('${engine}')).open([graph.build({ x })], { threads: 1 })
const { signal } = interruptSignal()
signal.addEventListener('abort', () => process.stdout.write('first '))
const running = session.run('long', { x: new Float32Array(4096 ** 2) })
setTimeout(() => process.stdout.write('running '), 1000) // By then the thread of the engine is at work.
await running
process.stdout.write('finished ')
`
const entry = (module: string): string =>
  compiledEntry(new URL('../../src/x.ts', import.meta.url).href, `./${module}`).href

describe.skipIf(process.platform === 'win32')(
  'the second signal ends the process in the middle of a step',
  async () => {
    const engines = (await listEngines()).filter(({ name, available }) => available && /^(native|onnx)$/.test(name))

    test.each(engines)('on the engine $name', async ({ name }) => {
      const script = path.join(folder, `${name}.mjs`)
      await writeFile(script, longStep(name))
      const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
      onTestFinished(() => void child.kill('SIGKILL'))
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        if (text.includes('running')) child.kill('SIGTERM')
        if (text.includes('first')) child.kill('SIGTERM')
      })
      const [code, signal] = await once(child, 'close')
      expect([code, signal, stdout]).toEqual([null, 'SIGINT', 'running first '])
    })
  },
)
