import { expect, test } from 'vitest'
import { preparedNames } from './names.ts'

test('names keep the path of the source; where two would be one, both have a hash, whatever their order', () => {
  const sources = ['/data/walk/a.mp4', '/data/walk/b.avi', '/data/walk/b.avi.mp4', '/data/Run/c.MP4', '/data/run/C.mp4']
  const names = preparedNames(sources, '/data')
  expect(names.get('/data/walk/a.mp4')).toBe('videos/walk/a.mp4')
  const others = sources.slice(1).map((source) => names.get(source)!)
  for (const name of others) expect(name).toMatch(/^videos\/other\/(b|b\.avi|c|C)-[0-9a-f]{12}\.mp4$/)
  expect(new Set(others.map((name) => name.toLowerCase())).size).toBe(4)
  expect(preparedNames(sources.toReversed(), '/data')).toEqual(new Map([...names].toReversed()))
})

test('sources outside of the root, and names too long for a temporary one, are in a folder of their own', () => {
  const names = preparedNames(['/elsewhere/a.mp4', `/data/${'x'.repeat(240)}.mp4`, '/data/..a.mp4'], '/data')
  const [outside, long, dots] = [...names.values()]
  expect(outside).toMatch(/^videos\/other\/a-[0-9a-f]{12}\.mp4$/)
  expect(long).toMatch(/^videos\/other\/x{40}-[0-9a-f]{12}\.mp4$/)
  expect(dots).toBe('videos/..a.mp4')
})

test('a source that is called as another with a hash in its name does not take its place', () => {
  const two = ['/data/walk/b.avi', '/data/walk/b.avi.mp4']
  const name = preparedNames(two, '/data').get(two[0])!
  const names = preparedNames([...two, `/data/${name.slice('videos/'.length)}`, '/data/other.mp4'], '/data')
  expect(names.get(two[0])).toBe(name)
  expect(new Set(names.values()).size).toBe(4)
  expect(names.get('/data/other.mp4')).toBe('videos/other.mp4')
})
