/** Pages of certificates of all kinds, made by the rules themselves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CertificateFile } from '../../src/certify/files/certificate-file.ts'
import { writeReport } from '../../src/report/results/write-report.ts'
import { writeAllCertificates } from '../support/all-certificates.ts'
import { runHere } from '../support/run-here.ts'
import { checkPage, hostileNames } from './check-page.ts'

let folder: string
let certificates: Readonly<Record<string, string>>
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-report-'))
  certificates = await writeAllCertificates(folder)
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const pageOf = async (certificate: string, name: string): Promise<string> => {
  const { file, kind } = await writeReport(certificate, { out: path.join(folder, name) })
  expect(kind).toBe('certificate')
  return readFileSync(file, 'utf8')
}

describe('pages', () => {
  test('are well-formed, load nothing, and are the same each time', async () => {
    expect(Object.keys(certificates).length).toBeGreaterThan(10)
    for (const [name, certificate] of Object.entries(certificates)) {
      const page = await pageOf(certificate, `${name}.html`)
      const { problems, text } = checkPage(page)
      expect(problems, name).toEqual([])
      // All files are there, as they were written.
      expect(text, name).not.toMatch(/Not next to the certificate|Not the files|missing/)
      expect(page).toContain(
        `content="default-src 'none'; img-src data:; style-src 'unsafe-inline'`.replaceAll("'", '&#39;'),
      )
      expect(await pageOf(certificate, `${name}.html`), name).toBe(page)
    }
  })

  test('state claim, unit and every condition before any radius', async () => {
    for (const [name, certificate] of Object.entries(certificates)) {
      const { text } = checkPage(await pageOf(certificate, 'claim.html'))
      const { threat, conditions } = JSON.parse(readFileSync(certificate, 'utf8')) as Partial<CertificateFile> & {
        readonly conditions?: readonly string[]
      }
      const first = text.indexOf('Share of')
      expect(first, name).toBeGreaterThan(0)
      const stated = [
        ...(threat?.conditions ?? conditions ?? []),
        ...(threat === undefined ? [] : [threat.unit, threat.claim]),
      ]
      expect(stated.length, name).toBeGreaterThan(0)
      for (const each of stated) {
        expect(text, name).toContain(each)
        expect(text.indexOf(each), `${name}: ${each}`).toBeLessThan(first)
      }
    }
  })

  test('show the shares of the certificate', async () => {
    const { text } = checkPage(await pageOf(certificates.empty, 'shares.html'))
    const { runs, baseline } = JSON.parse(readFileSync(certificates.empty, 'utf8')) as CertificateFile
    const shown = (share: number) => `${(100 * share).toFixed(1)} %`
    for (const { summary, baseAccuracy } of runs)
      for (const share of [
        summary.certifiedAccuracy[1] ?? 0,
        summary.cleanAccuracy,
        baseAccuracy,
        baseline?.accuracy ?? 0,
      ])
        if (share > 0 && share < 1) expect(text).toContain(shown(share))
  })

  test('give no interval for a radius that so few partitions cannot certify', async () => {
    const certificate = JSON.parse(readFileSync(certificates.general, 'utf8')) as {
      runs: { partitions: number; summary: { certifiedAccuracy: number[] } }[]
    }
    const run = certificate.runs[0]
    const wide = structuredClone(run)
    wide.partitions = 50
    wide.summary.certifiedAccuracy = Array.from({ length: 21 }, (_, r) => 1 - r / 25)
    const pageWith = async (runs: unknown[], name: string) => {
      const file = path.join(folder, `${name}.json`)
      writeFileSync(file, JSON.stringify({ ...certificate, runs }))
      return checkPage(await pageOf(file, `${name}.html`)).text
    }
    const cells = (text: string) => text.split('not possible').length - 1
    expect(run.partitions).toBe(7)
    // Of the radii 0, 1, 3, 5, 10 and 20 seven partitions certify none above 3.
    expect(cells(await pageWith([run, wide], 'impossible'))).toBe(3)
    expect(cells(await pageWith([wide], 'possible'))).toBe(0)
  })

  test('have what rules certify besides the radius', async () => {
    for (const [name, title, other] of [
      ['groups', 'radius in changed labels', 'earliness'],
      ['temporal', 'earliness', 'radius in changed labels'],
    ]) {
      const { text } = checkPage(await pageOf(certificates[name], 'other.html'))
      const weakest = text.slice(text.indexOf('the right predictions with the smallest radius'))
      expect(weakest).toContain(title)
      expect(weakest).not.toContain(other)
    }
  })

  test('stay small with many predictors, classes and inputs', async () => {
    const certificate = JSON.parse(readFileSync(certificates.general, 'utf8'))
    certificate.classNames = Array.from({ length: 400 }, (_, c) => `a class with a name of some length, number ${c}`)
    const runs = certificate.runs.map((run: object) => ({
      ...run,
      ...{ ballots: null, learnersFile: null },
      inputs: Array.from({ length: 4000 }, (_, i) => {
        const label = (i * 7) % 400
        return {
          id: `folder/input ${i}.mp4`,
          label,
          prediction: i % 5 === 0 ? 0 : label,
          radius: i % 300,
          rivals: [1],
          abstentions: 0,
        }
      }),
    }))
    for (const some of [runs, runs.slice(0, 1)]) {
      const file = path.join(folder, 'many.json')
      writeFileSync(file, JSON.stringify({ ...certificate, runs: some }))
      const page = await pageOf(file, 'many.html')
      expect(checkPage(page).problems).toEqual([])
      expect(page.length).toBeLessThan(700_000)
      expect(checkPage(page).text).toContain(
        some.length > 1 ? '370 more classes in the certificate' : '370 more classes',
      )
    }
  })

  test('of names that are meant to break them are as well-formed, and show the names', async () => {
    const certificate = JSON.parse(readFileSync(certificates.general, 'utf8')) as {
      classNames: string[]
      threat: CertificateFile['threat']
      mostFrequentClass: { name: string }
      baseline: { name: string }
      runs: { warnings: string[]; inputs: { id: string }[]; ballots: unknown; learnersFile: unknown }[]
    }
    for (const [i, name] of hostileNames.entries()) {
      const hostile = structuredClone(certificate)
      hostile.classNames = hostile.classNames.map((_, c) => `${name}${c}`)
      hostile.mostFrequentClass.name = `${name}0`
      hostile.baseline.name = `${name}0`
      hostile.threat = { ...hostile.threat, unit: name, claim: name, conditions: [name], notCovered: [name] }
      for (const run of hostile.runs) {
        run.warnings = [name]
        run.inputs = run.inputs.map((input) => ({ ...input, id: name }))
        ;[run.ballots, run.learnersFile] = [null, null]
      }
      const file = path.join(folder, `hostile-${i}.json`)
      writeFileSync(file, JSON.stringify(hostile))
      const page = await pageOf(file, 'hostile.html')
      const { problems, text } = checkPage(page)
      expect(problems, name).toEqual([])
      expect(page.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cs}\u200f\u202a-\u202e\u2066-\u2069]/u)
      if (/^[\x20-\x7e\u0590-\u05ff]+$/.test(name)) expect(text).toContain(name)
      if (name.includes('\u202e')) expect(text).toContain('\\u202egpj.exe\\u2066')
      if (name.includes('\n')) expect(text).toContain('two\\nlines')
    }
  })
})

describe('videomae report', () => {
  test('writes a page next to a certificate, and replaces its own only', async () => {
    const location = path.dirname(certificates.general)
    const page = path.join(location, 'report.html')
    for (let time = 0; time < 2; time++) {
      const { code, document } = await runHere('report', location)
      expect(code).toBe(0)
      expect(document).toMatchObject({ kind: 'certificate', source: certificates.general, file: page })
    }
    writeFileSync(page, '<!doctype html>\n<html lang="en"><p>mine')
    expect(await runHere('report', location)).toMatchObject({ code: 2, document: { error: { code: 'OUTPUT_TAKEN' } } })
    expect(readFileSync(page, 'utf8')).toContain('mine')
    rmSync(page)
    expect(await runHere('report', certificates.general, '--out', certificates.general)).toMatchObject({
      code: 2,
      document: { error: { code: 'OUTPUT_TAKEN' } },
    })
  })

  test('names the rule in the page of votes of other systems, and asks which of several', async () => {
    const imported = certificates['imported dpa']
    expect((await runHere('report', imported)).document).toMatchObject({
      file: path.join(path.dirname(imported), 'report-dpa.html'),
    })
    const several = await runHere('report', path.dirname(imported))
    expect(several).toMatchObject({ code: 3, document: { error: { code: 'REPORT_NOTHING_FOUND' } } })
    expect(several.document.error?.message).toContain('imported-certificate-roe.json')
  })

  test('says so where files next to a certificate are not those that it names', async () => {
    const location = path.dirname(certificates.votesOnly)
    const { runs } = JSON.parse(readFileSync(certificates.votesOnly, 'utf8')) as CertificateFile
    const ballots = path.join(location, runs[0].ballots?.file ?? '')
    const bytes = readFileSync(ballots)
    expect(checkPage(await pageOf(certificates.votesOnly, 'before.html')).text).not.toContain(
      'These files do not belong to the certificate',
    )
    bytes[bytes.length - 1] ^= 1
    writeFileSync(ballots, bytes)
    expect(checkPage(await pageOf(certificates.votesOnly, 'after.html')).text).toContain(
      'These files do not belong to the certificate',
    )
    rmSync(ballots)
    expect(checkPage(await pageOf(certificates.votesOnly, 'without.html')).text).toContain(
      'Not next to the certificate',
    )
  })

  test('--no-pictures is refused for a certificate', async () => {
    const outcome = await runHere('report --no-pictures', certificates.general)
    expect(outcome).toMatchObject({ code: 2, document: { error: { code: 'INVALID_ARGUMENT' } } })
    expect(outcome.document.error?.message).toContain('--no-pictures')
  })

  test('is what --report of certify does, too', async () => {
    const out = path.join(folder, 'with page')
    const votes = path.join(folder, 'imported', 'votes.csv')
    const line = `certify --votes ${votes} --classes 4 --rule dpa --quiet --report --out`
    const page = path.join(out, 'report-dpa.html')
    expect(await runHere(line, out)).toMatchObject({ code: 0, document: { pages: [page] } })
    expect(checkPage(readFileSync(page, 'utf8')).problems).toEqual([])
    writeFileSync(page, 'mine')
    expect(await runHere(line, out)).toMatchObject({ code: 2, document: { error: { code: 'OUTPUT_TAKEN' } } })
  })

  test('refuses what is no result', async () => {
    for (const location of [path.join(folder, 'nowhere'), os.tmpdir()])
      expect((await runHere('report', location)).document.error?.code).toBe('REPORT_NOTHING_FOUND')
    const text = path.join(folder, 'text.json')
    writeFileSync(text, 'text')
    expect((await runHere('report', text)).document.error?.code).toBe('CERTIFICATE_INVALID')
  })
})
