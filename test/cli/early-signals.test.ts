/** A signal before a command listens for one: the process says so and ends as a command that was stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'

const compiled = (name: string) =>
  compiledEntry(new URL(`../../src/${name}.ts`, import.meta.url).href, `./${path.basename(name)}`)
const folder = mkdtempSync(path.join(tmpdir(), 'videomae-early-signals-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A program that waits behind the early handlers; `more` runs before it says that it is ready. */
async function waiting(more: string, ...args: readonly string[]): Promise<ChildProcess> {
  const program = `
    const { handleEarlySignals } = await import('${compiled('cli/early-signals').href}')
    handleEarlySignals()
    ${more}
    setInterval(() => undefined, 1000)
    process.stdout.write('ready')`
  // The shell that runs the tests may itself be one that nohup started.
  const env = { ...process.env, _: '' }
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...args], { env })
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  return child
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let [out, err] = ['', '']
  child.stdout?.on('data', (text) => (out += text))
  child.stderr?.on('data', (text) => (err += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, err }
}

test.skipIf(process.platform === 'win32').each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends with 130 and a line, also of JSON, and cleans up',
  async (name) => {
    const temporary = path.join(folder, name)
    writeFileSync(temporary, '')
    const clean = `
      const { cleanAtEnd } = await import('${compiled('core/clean-at-end').href}')
      const { rmSync } = await import('node:fs')
      cleanAtEnd(() => rmSync(${JSON.stringify(temporary)}))`
    const plain = await waiting(clean)
    plain.kill(name)
    expect(await endOf(plain)).toMatchObject({
      code: 130,
      err: expect.stringContaining(`Stopped by ${name}. [INTERRUPTED]`),
    })
    expect(existsSync(temporary)).toBe(false)
    const json = await waiting('', '--json')
    json.kill(name)
    const { code, out } = await endOf(json)
    expect([code, JSON.parse(out).error.code]).toEqual([130, 'INTERRUPTED'])
  },
)

test.skipIf(process.platform === 'win32')('a command that listens decides itself', async () => {
  const child = await waiting(
    `process.on('SIGTERM', () => { process.exitCode = 7; setTimeout(() => process.exit(), 50) })`,
  )
  child.kill('SIGTERM')
  expect(await endOf(child)).toMatchObject({ code: 7, err: '' })
})
