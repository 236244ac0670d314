/** `certify --votes` that is stopped: no file in part, and what is finished is used again. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, expect, it, vi } from 'vitest'
import { spreadOffsets } from '../../src/certify/rules/spread.ts'
import { RandomStream } from '../../src/core/random.ts'
import { startVideomae, videomae } from '../cli/run-program.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000 })

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-votes-interruption-'))
const place = (...parts: string[]) => path.join(folder, ...parts)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.skipIf(process.platform === 'win32')(
  'ends with 130 at Ctrl-C, without a certificate, and goes on to the same bytes',
  async () => {
    // Inputs that the search needs all of its work for.
    const [k, d, inputs] = [50, 16, 24]
    const stream = new RandomStream('votes to stop')
    const header = Array.from({ length: k * d }, (_, i) => `l${i}`).join(',')
    const lines = Array.from({ length: inputs }, () =>
      Array.from({ length: k * d }, () => (stream.uniform() < 0.8 ? 3 : stream.integer(10))).join(','),
    )
    writeFileSync(place('votes.csv'), `${header}\n${lines.join('\n')}\n`)
    const command = (out: string) => [
      ...['certify', '--votes', place('votes.csv'), '--classes', '10', '--rule', 'fa_exact'],
      ...['--offsets', spreadOffsets(k, d).join(','), '--out', place(out)],
    ]
    const certificate = 'imported-certificate-fa_exact.json'
    const part = place('stopped', 'imported-certificate-fa_exact.part.jsonl')
    const started = startVideomae(...command('stopped'))
    // The file of finished inputs is there from the beginning; all of them take seconds on any machine.
    while (!existsSync(part)) await wait(10)
    await wait(500)
    started.process.kill('SIGINT')
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(130)
    expect(readdirSync(place('stopped'))).toEqual([path.basename(part)])
    // A line for each finished input, whole, behind the line that names the votes.
    const finished = readFileSync(part, 'utf8').trimEnd().split('\n').slice(1)
    expect(finished.length).toBeLessThan(inputs)
    for (const line of finished) expect(JSON.parse(line)).toMatchObject({ exact: expect.any(Boolean) })
    const resumed = await videomae(...command('stopped'))
    expect(resumed.code, resumed.stderr).toBe(0)
    expect(readdirSync(place('stopped'))).toEqual([certificate])
    expect((await videomae(...command('whole'))).code).toBe(0)
    expect(readFileSync(place('stopped', certificate), 'utf8')).toBe(readFileSync(place('whole', certificate), 'utf8'))
  },
)
