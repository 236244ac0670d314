import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { emptyBallots } from '../rules/ballot.ts'
import { certifyBallots } from '../rules/certify-ballots.ts'
import { KeptCertificates } from './kept-certificates.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-kept-certificates-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ballots = emptyBallots(3, 12, 2, 1)
for (let i = 0; i < ballots.ranks.length; i++) ballots.ranks[i] = i % 5 === 0 ? 1 : 0
const rule = { rule: 'dpa' } as const
const certificates = certifyBallots(ballots, rule)

async function kept(name: string): Promise<string> {
  const file = path.join(folder, name)
  const keep = await KeptCertificates.open(file, ballots, rule)
  for (const certificate of certificates) keep.add(certificate)
  await keep.flush()
  return file
}

test('certificates that were kept are known again', async () => {
  const file = await kept('whole')
  expect((await KeptCertificates.open(file, ballots, rule)).known).toEqual(certificates)
})

test('a certificate with another digit is dropped, with all behind it', async () => {
  const file = await kept('digit')
  const lines = readFileSync(file, 'utf8').split('\n')
  lines[2] = lines[2].replace(/"radius":\d+/, '"radius":5')
  writeFileSync(file, lines.join('\n'))
  expect((await KeptCertificates.open(file, ballots, rule)).known).toEqual(certificates.slice(0, 1))
  expect(readFileSync(file, 'utf8')).toBe(`${lines.slice(0, 2).join('\n')}\n`)
})

test('a line that is missing gives no input the certificate of another', async () => {
  const file = await kept('missing')
  const lines = readFileSync(file, 'utf8').split('\n')
  writeFileSync(file, lines.filter((_, i) => i !== 1).join('\n'))
  expect((await KeptCertificates.open(file, ballots, rule)).known).toEqual([])
})

test('a file that is cut short gives what is whole', async () => {
  const file = await kept('cut')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -3))
  expect((await KeptCertificates.open(file, ballots, rule)).known).toEqual(certificates.slice(0, 2))
})

test('a file of other origin stays', async () => {
  const file = path.join(folder, 'foreign')
  writeFileSync(file, '{"mine":1}\n')
  await expect(KeptCertificates.open(file, ballots, rule)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  expect(readFileSync(file, 'utf8')).toBe('{"mine":1}\n')
  writeFileSync(file, '{"schema":"vid') // a first line that a full disk has cut
  expect((await KeptCertificates.open(file, ballots, rule)).known).toEqual([])
})
