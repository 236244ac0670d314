import { afterEach, describe, expect, it, vi } from 'vitest'
import { interruptSignal } from './interrupt.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

describe('interruptSignal', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
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

  it('leaves no listener', () => {
    const count = (): number[] => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
    const before = count()
    interruptSignal().dispose()
    vi.stubEnv('_', '/usr/bin/nohup')
    interruptSignal().dispose()
    expect(count()).toEqual(before)
  })

  it('does not stop at the end of a terminal under nohup', () => {
    vi.stubEnv('_', '/usr/bin/nohup')
    const { signal, dispose } = interruptSignal()
    process.emit('SIGHUP', 'SIGHUP')
    expect(signal.aborted).toBe(false)
    dispose()
  })
})
