import { expect, test } from 'vitest'
import { problemOfTime, timeBounds, timesOf } from './video-times.ts'

const day = 86_400_000

test('dates are read in UTC, with or without a clock time', () => {
  const times = ['2024-02-29', '2024-02-29T12:00', '2024-02-29 12:00Z', '2024-02-29T12:00+02:00']
  const start = Date.UTC(2024, 1, 29)
  expect(timesOf(times.map((time) => ({ time })))).toEqual([0, 0.5, 0.5, 0.5 - 2 / 24].map((at) => start + at * day))
})

test.each(['2024-02-30', '2023-02-29', '2024-04-31T10:00Z', '2024-13-01', '2024-00-10', '1900-02-29', '2024-06-00'])(
  'a day that the calendar does not have is no date: %s',
  (time) => {
    expect(timesOf([{ time }])).toBeUndefined()
    const bounds = timeBounds({ until: '2024-06-01', length: '7d' })
    expect(problemOfTime(time, bounds)).toMatchObject({ code: 'invalid time' })
    expect(() => timeBounds({ until: time, length: '7d' })).toThrow(/a date such as 2024-06-01/)
  },
)

test('whole numbers that are not exact are no times', () => {
  expect(timesOf([{ time: '9007199254740991' }, { time: '-5' }])).toEqual([9007199254740991, -5])
  // Nanoseconds since 1970.
  for (const time of ['9007199254740993', '1717200000000000001']) {
    expect(timesOf([{ time }])).toBeUndefined()
    expect(problemOfTime(time, timeBounds({ until: '10', length: '1' }))).toMatchObject({ code: 'invalid time' })
  }
})
