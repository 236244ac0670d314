/** `certify --votes` that is stopped: no file in part, and what is finished is used again. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { spreadOffsets } from '../../src/certify/rules/spread.ts'
import { RandomStream } from '../../src/core/random.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { startVideomae, videomae } from '../support/run-program.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000 })

const folder = folderForTests('videomae-votes-interruption-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

function votesOf(inputs: number, learners: number): string {
  const stream = new RandomStream('votes to stop')
  const header = Array.from({ length: learners }, (_, i) => `l${i}`).join(',')
  const lines = Array.from({ length: inputs }, () =>
    Array.from({ length: learners }, () => (stream.uniform() < 0.8 ? 3 : stream.integer(10))).join(','),
  )
  return `${header}\n${lines.join('\n')}\n`
}

test.skipIf(process.platform === 'win32')(
  'ends with 130 at Ctrl-C, without a certificate, and continues to the same bytes',
  async () => {
    // Inputs that the search needs all of its work for.
    const [k, d] = [50, 16]
    const command = (out: string) => [
      ...['certify', '--votes', inFolder('votes.csv'), '--classes', '10', '--rule', 'fa_exact'],
      ...['--offsets', spreadOffsets(k, d).join(','), '--out', inFolder(out)],
    ]
    const certificate = 'imported-certificate-fa_exact.json'
    const part = inFolder('stopped', 'imported-certificate-fa_exact.part.jsonl')
    const linesOf = () => (existsSync(part) ? readFileSync(part, 'utf8').split('\n').slice(0, -1) : [])
    // The first certificate is kept at once. A machine that ends the others before the signal comes has more of them to do.
    let [inputs, inTime] = [6, false]
    while (!inTime) {
      inputs *= 2
      expect(inputs).toBeLessThan(1000)
      rmSync(inFolder('stopped'), { recursive: true, force: true })
      writeFileSync(inFolder('votes.csv'), votesOf(inputs, k * d))
      const started = startVideomae(...command('stopped'))
      while (linesOf().length < 2 && started.process.exitCode === null) await wait(10)
      started.process.kill('SIGINT')
      const { code, stderr } = await started.ended
      inTime = !existsSync(inFolder('stopped', certificate))
      if (inTime) expect(code, stderr).toBe(130)
    }
    expect(readdirSync(inFolder('stopped'))).toEqual([path.basename(part)])
    // A whole line for each finished input, behind the line that names the votes.
    expect(readFileSync(part, 'utf8')).toMatch(/\n$/)
    const finished = linesOf().slice(1)
    expect(finished.length).toBeGreaterThan(0)
    expect(finished.length).toBeLessThan(inputs)
    for (const line of finished)
      expect(JSON.parse(line)).toMatchObject({ certificate: { exact: expect.any(Boolean) }, crc: expect.any(Number) })
    const resumed = await videomae(...command('stopped'))
    expect(resumed.code, resumed.stderr).toBe(0)
    expect((await videomae(...command('whole'))).code).toBe(0)
    const files = readdirSync(inFolder('whole')).sort()
    expect(files).toEqual([expect.stringMatching(/^ballots-imported-[0-9a-f]{12}\.npy$/), certificate])
    expect(readdirSync(inFolder('stopped')).sort()).toEqual(files)
    for (const file of files)
      expect(readFileSync(inFolder('stopped', file))).toEqual(readFileSync(inFolder('whole', file)))
  },
)
