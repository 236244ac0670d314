import { describe, expect, test, vi } from 'vitest'
import type { StepRecord } from './loop.ts'
import { Metrics } from './metrics.ts'
import { formatSeconds, ProgressDisplay, type TrainingProgress } from './progress.ts'

const record = (step: number): StepRecord => ({
  step,
  epoch: 0,
  loss: 1 / step,
  gradientNorm: step,
  clips: 8,
  seconds: 2,
  waitSeconds: 0.5,
})
const context = {
  scheduled: { learningRate: 1e-3, weightDecay: 0.05 },
  stepsPerEpoch: 4,
  memory: 3e8,
  engineMemory: 1e8,
}

describe('metrics', () => {
  test('averages the steps since the last line', () => {
    const metrics = new Metrics()
    for (const step of [1, 2]) metrics.add(record(step))
    expect(metrics.line(2, context)).toEqual({
      step: 2,
      epoch: 0.5,
      clips: 16,
      loss: 0.75,
      learningRate: 1e-3,
      weightDecay: 0.05,
      gradientNorm: 1.5,
      clipsPerSecond: null,
      dataWait: 0.25,
      memory: 3e8,
      engineMemory: 1e8,
      seconds: 4,
    })
    metrics.add(record(3))
    expect(metrics.line(3, context)).toMatchObject({ step: 3, loss: 1 / 3, clips: 24, clipsPerSecond: 4 })
  })

  test('does not count the steps in which an engine warms up, after a start or when it continues', () => {
    const slow = (step: number) => ({ ...record(step), seconds: 100 })
    const metrics = new Metrics()
    for (const one of [slow(1), slow(2), record(3), record(4)]) metrics.add(one)
    expect(metrics.line(4, context)).toMatchObject({ clipsPerSecond: 4, seconds: 204 })
    const resumed = new Metrics(JSON.parse(JSON.stringify(metrics.state)))
    for (const one of [slow(5), slow(6)]) resumed.add(one)
    expect(resumed.line(6, context).clipsPerSecond).toBeNull()
    resumed.add({ ...record(7), seconds: 1 })
    expect([resumed.clipsPerSecond, resumed.line(7, context).clipsPerSecond]).toEqual([4.8, 8])
    expect(new Metrics().clipsPerSecond).toBeNull()
  })

  test('averages the loss of predicting the mean over the steps that have one, for a line and for the run', () => {
    const metrics = new Metrics()
    for (const meanLoss of [0.5, undefined, 0.75])
      metrics.add({ ...record(1), ...(meanLoss !== undefined && { meanLoss }) })
    expect(metrics.line(3, context).meanLoss).toBe(0.625)
    expect(metrics.line(3, context)).not.toHaveProperty('meanLoss')
    const resumed = new Metrics(JSON.parse(JSON.stringify(metrics.state)))
    resumed.add({ ...record(2), meanLoss: 1 })
    expect([resumed.meanLoss, resumed.line(4, context).meanLoss]).toEqual([0.75, 1])
    expect(new Metrics().meanLoss).toBeNull()
  })

  test('gives the same means when it is stopped in the middle and read back from JSON', () => {
    const whole = new Metrics()
    for (let step = 1; step <= 7; step++) whole.add(record(step))
    const first = new Metrics()
    for (let step = 1; step <= 3; step++) first.add(record(step))
    const second = new Metrics(JSON.parse(JSON.stringify(first.state)))
    for (let step = 4; step <= 7; step++) second.add(record(step))
    expect(second.line(7, context)).toEqual(whole.line(7, context))
  })
})

function shown(isTTY: boolean, quiet = false): string {
  let text = ''
  const stream = { isTTY, columns: 200, write: (part: string) => (text += part) }
  const display = new ProgressDisplay({ stream, quiet })
  const metrics = new Metrics()
  for (let step = 1; step <= 4; step++) {
    metrics.add(record(step))
    const line = step % 2 === 0 ? metrics.line(step, context) : null
    const progress: TrainingProgress = { ...record(step), steps: 10, badFiles: 1, metrics: line }
    display.update(progress)
  }
  display.note('a note')
  display.end()
  return text
}

describe('progress', () => {
  test('writes one line per interval where there is no terminal', () => {
    const lines = shown(false).trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[1]).toBe(
      'step 4/10  epoch 1.00  loss 0.2917  lr 1.00e-3  gradient 3.50  4.0 clips/s  data 25 %  memory 300 MB  12 s left  bad files 1',
    )
    expect(lines[2]).toBe('a note')
  })

  test.each([true, false])('shows the loss of predicting the mean behind the loss (terminal %s)', (isTTY) => {
    let text = ''
    const display = new ProgressDisplay({ stream: { isTTY, columns: 200, write: (part: string) => (text += part) } })
    const metrics = new Metrics()
    const one = { ...record(1), meanLoss: 0.875 }
    metrics.add(one)
    display.update({ ...one, steps: 10, badFiles: 0, metrics: metrics.line(1, context) })
    expect(text).toContain('loss 1.0000 (mean 0.8750)  ')
  })

  test('rewrites one line on a terminal', () => {
    const text = shown(true)
    expect(text).toContain('[##..................]'.slice(0, 2))
    expect(text).toMatch(/\r.*1\/10 {2}loss 1\.0000 {2}warming up {2}bad files 1/)
    expect(text).toMatch(/a note\n$/)
  })

  test('takes its numbers from a moving window behind the warm-up, and tells the time of the run once', () => {
    let text = ''
    const display = new ProgressDisplay({ stream: { isTTY: false, write: (part: string) => (text += part) } })
    const metrics = new Metrics()
    for (let step = 1; step <= 80; step++) {
      // 100 s for each step of the warm-up, then 2 s, and 4 s for the last 50.
      const one = { ...record(step), seconds: step <= 2 ? 100 : step <= 30 ? 2 : 4, waitSeconds: 0 }
      metrics.add(one)
      display.update({ ...one, steps: 180, badFiles: 0, metrics: metrics.line(step, context) })
    }
    const lines = text.trimEnd().split('\n')
    expect(lines.slice(0, 2).every((line) => line.includes('warming up') && !line.includes('left'))).toBe(true)
    expect(lines[2]).toMatch(/^step 3\/180 .* 4\.0 clips\/s .* 5 min 54 s left$/)
    expect(lines.filter((line) => line.startsWith('time'))).toEqual([
      'time      about 5 min 50 s for 175 more steps (2.0 s a step; saving and validation come on top)',
    ])
    expect(lines.at(-1)).toMatch(/^step 80\/180 .* 2\.0 clips\/s .* 6 min 40 s left$/)
  })

  test('counts videos: every ten seconds in a log, on one line that it takes away on a terminal', () => {
    const clock = vi.spyOn(performance, 'now')
    const counted = (isTTY: boolean): string => {
      let text = ''
      const display = new ProgressDisplay({ stream: { isTTY, write: (part: string) => (text += part) } })
      const count = display.counter('videos')
      for (let done = 0; done <= 9; done++) {
        clock.mockReturnValue(1e6 + done * 5000)
        count(done, 9)
      }
      return text
    }
    try {
      expect(counted(false)).toBe(
        'videos 2/9  35 s left\nvideos 4/9  25 s left\nvideos 6/9  15 s left\nvideos 8/9  5 s left\n',
      )
      const lines = counted(true).split('\r\u001b[2K')
      expect([lines[2], lines[3], lines.length, lines.at(-1)]).toEqual(['videos 1/9', 'videos 2/9  35 s left', 11, ''])
    } finally {
      clock.mockRestore()
    }
  })

  test('tells the time left from the first video on, without the start of the processes before it', () => {
    const clock = vi.spyOn(performance, 'now')
    const lines: string[] = []
    const count = new ProgressDisplay({ stream: { write: (part: string) => lines.push(part) } }).counter('videos')
    try {
      for (const [seconds, done] of [
        [0, 0],
        [60, 1],
        [72, 3],
      ]) {
        clock.mockReturnValue(1e6 + seconds * 1000)
        count(done, 13)
      }
      expect(lines).toEqual(['videos 1/13\n', 'videos 3/13  1 min 00 s left\n'])
    } finally {
      clock.mockRestore()
    }
  })

  test('is silent on demand', () => {
    expect(shown(true, true)).toBe('')
    expect(shown(false, true)).toBe('')
  })

  test.each([
    [45, '45 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 05 min'],
    [273_600, '3 d 04 h'],
  ])('writes %d seconds as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})
