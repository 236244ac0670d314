import { spawn } from 'node:child_process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { interruptSignal } from '../../src/cli/interrupt.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('interruptSignal', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'aborts at the first %s and ends with 130 at the second',
    (name) => {
      vi.stubEnv('_', '/usr/bin/node')
      vi.spyOn(process.stderr, 'write').mockReturnValue(true)
      const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
      const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
      const { signal, dispose } = interruptSignal('Go on.')
      process.emit(name, name)
      expect(signal.reason).toMatchObject({ code: 'INTERRUPTED', exit: 'interrupted', hint: 'Go on.' })
      expect(exit).not.toHaveBeenCalled()
      const cleaned = vi.fn()
      process.once('exit', cleaned)
      process.emit('SIGTERM', 'SIGTERM')
      process.off('exit', cleaned)
      if (process.platform !== 'win32') {
        expect(kill).toHaveBeenCalledWith(process.pid, 'SIGINT')
        expect(cleaned).toHaveBeenCalled() // what removes temporary folders
      }
      expect(exit).toHaveBeenCalledWith(130)
      dispose()
    },
  )

  test('stops rank 0 when the process of launch is gone, and not before', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    vi.stubEnv('VIDEOMAE_STOP_FILE', '/nowhere/stop')
    const launch = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    vi.stubEnv('VIDEOMAE_LAUNCH_PROCESS', String(launch.pid))
    const { signal, dispose } = interruptSignal('Go on.', 0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(signal.aborted).toBe(false)
    launch.kill('SIGKILL')
    await vi.waitUntil(() => signal.aborted, { timeout: 60_000 })
    expect(signal.reason).toMatchObject({ code: 'INTERRUPTED' })
    dispose()
  })

  test('leaves no listener', () => {
    const count = (): number[] => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
    const before = count()
    interruptSignal('Again.').dispose()
    vi.stubEnv('_', '/usr/bin/nohup')
    interruptSignal('Again.').dispose()
    expect(count()).toEqual(before)
  })

  test('does not stop at the end of a terminal under nohup', () => {
    vi.stubEnv('_', '/usr/bin/nohup')
    const { signal, dispose } = interruptSignal('Again.')
    process.emit('SIGHUP', 'SIGHUP')
    expect(signal.aborted).toBe(false)
    dispose()
  })
})
