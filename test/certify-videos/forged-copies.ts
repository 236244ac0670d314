/** A certificate that is verified with its videos: as it is, with changed videos, and with values that were changed. */
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { assertVerified } from '../../src/certify/verify/assert-verified.ts'
import { verifyCertificate } from '../../src/certify/videos/verify-videos.ts'
import type { VideoCertificate } from '../../src/certify/videos/video-certificate.ts'

/**
 * @param out folder of the certificate
 * @param videos folder that was certified
 * @param location path of a temporary file or folder
 */
export async function expectForgeriesFound(
  out: string,
  certificate: VideoCertificate,
  videos: string,
  location: (name: string) => string,
): Promise<void> {
  // And with the videos: which are protected, which predicted as what, and the partition of each.
  const file = path.join(out, 'certificate.json')
  const whole = await verifyCertificate(file, { data: videos })
  expect(whole.differences).toEqual([])
  expect(whole.checked.join()).toContain('the partition of each video')
  const others = location('other-videos')
  cpSync(videos, others, { recursive: true })
  const { assignment } = JSON.parse(readFileSync(path.join(out, 'buckets-5.json'), 'utf8'))
  const [[protectedId, bucket]] = assignment
  for (const [id] of assignment.slice(0, 6)) appendFileSync(path.join(others, id), 'x')
  const changed = await verifyCertificate(file, { data: others })
  // Their contents are others, so some are in another partition, or on the other side.
  expect(changed.differencesFound).toBeGreaterThan(0)
  expect(() => assertVerified(changed)).toThrow(/value\(s\) differ/)
  const moved = location('moved')
  cpSync(out, moved, { recursive: true, filter: (source) => !source.includes('store') })
  const forged = JSON.parse(readFileSync(path.join(moved, 'buckets-5.json'), 'utf8'))
  forged.assignment[0][1] = (bucket + 1) % 5
  writeFileSync(path.join(moved, 'buckets-5.json'), JSON.stringify(forged))
  const found = await verifyCertificate(moved, { data: videos })
  expect(found.differences.map(({ field }) => field)).toContain(`buckets-5.json: assignment.${protectedId}`)
  const relabeled = JSON.parse(readFileSync(file, 'utf8'))
  relabeled.runs[0].inputs[0].id = 'nobody.mp4'
  writeFileSync(path.join(moved, 'certificate.json'), JSON.stringify(relabeled))
  const renamed = await verifyCertificate(path.join(moved, 'certificate.json'), { data: videos })
  expect(renamed.differences).toContainEqual(
    expect.objectContaining({ field: 'runs[0].inputs[0].id', stated: 'nobody.mp4' }),
  )
  const stated = JSON.parse(readFileSync(file, 'utf8')) as {
    data: { -readonly [K in keyof VideoCertificate['data']]: unknown }
  }
  stated.data = {
    ...certificate.data,
    rows: 25,
    seen: { ...certificate.data.seen, protected: 1 },
    read: certificate.data.read.map((source) => ({ ...source, unused: [{ name: 'label' }] })),
    leftOut: [{ id: 'nobody.mp4', side: 'training', code: 'VIDEO_INVALID', reason: 'not decoded' }],
  }
  writeFileSync(path.join(moved, 'certificate.json'), JSON.stringify(stated))
  const { differences } = await verifyCertificate(path.join(moved, 'certificate.json'), { data: videos })
  expect(differences.map(({ field }) => field)).toEqual(
    expect.arrayContaining([
      ...['data.rows', 'data.seen.protected', 'data.read[0].unused[0]'],
      'data.leftOut, rows that were not decoded',
    ]),
  )
}
