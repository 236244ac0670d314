import { afterEach, expect, test, vi } from 'vitest'
import { exitCodes } from '../core/errors.ts'
import { referenceEngine } from '../engine/reference/index.ts'
import { fastest } from '../train/measure-engines.ts'
import { fastestFinding, printFindings, stepFinding } from './doctor.ts'

const finding = (part: string, ok: boolean, optional: boolean) => ({ part, ok, optional, detail: `about ${part}` })
const present = finding('node', true, false)
const missing = finding('decoder node-av', false, false)

/** What `print` writes to stdout. */
function written(print: () => void): string {
  const parts: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => parts.push(String(text)) > 0)
  try {
    print()
  } finally {
    vi.restoreAllMocks()
  }
  return parts.join('')
}

afterEach(() => {
  process.exitCode = undefined
})

test('--json is one document, with the error where a needed part is missing', () => {
  const failed = JSON.parse(written(() => printFindings([present, missing], { json: true })))
  expect(failed).toMatchObject({ findings: [present, missing], error: { code: 'DOCTOR_FAILED' } })
  expect(failed.error.message).toContain('decoder node-av')
  expect(process.exitCode).toBe(exitCodes.environment)
})

test('what is optional may be missing', () => {
  const optional = finding('engine cuda', false, true)
  expect(JSON.parse(written(() => printFindings([present, optional], { json: true })))).toEqual({
    findings: [present, optional],
  })
  expect(process.exitCode).toBeUndefined()
  expect(written(() => printFindings([present, optional], {}))).toMatch(/^ok .*node.*\nabsent +engine cuda/)
})

test('as text the findings come first, then the error', () => {
  const text = written(() => expect(() => printFindings([missing, present], {})).toThrow(/not usable: decoder node-av/))
  expect(text).toMatch(/^MISSING +decoder node-av/)
})

test('measured steps end with what to use', () => {
  const time = (name: string, milliseconds: number | null) => ({
    ...{ engine: { ...referenceEngine, name }, precision: 'bfloat16' as const, milliseconds },
    failure: milliseconds === null ? 'no memory' : null,
  })
  const times = [time('native', 50), time('webgpu', null), time('cuda', 4)]
  const findings = [...times.map((each) => stepFinding(each, 4)), fastestFinding(fastest(times))]
  expect(findings.map(({ part, ok, detail }) => [part, ok, detail])).toEqual([
    ['step native bfloat16', true, '50 ms for 4 clips, 80.0 clips/s'],
    ['step webgpu bfloat16', false, 'failed: no memory'],
    ['step cuda bfloat16', true, '4 ms for 4 clips, 1000.0 clips/s'],
    ['fastest', true, 'cuda in bfloat16: --engine cuda --set engine.precision=bfloat16'],
  ])
  expect(fastestFinding(fastest([time('webgpu', null)]))).toMatchObject({ part: 'fastest', ok: false })
})
