/** A listener of `cleanAtEnd`: it leaves it to others whether a signal ends the process. */
const own: unique symbol = Symbol('cleanAtEnd')
type OwnListener = NodeJS.SignalsListener & { readonly [own]?: true }

/** Whether a listener leaves it to others whether a signal ends the process. */
export const isCleaner = (listener: NodeJS.SignalsListener): boolean => Object.hasOwn(listener, own)

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Cleans up when this process ends, also where a signal ends it for which nothing else listens. Not behind SIGKILL.
 *
 * @param clean without waiting for anything; called once at most
 * @param onSignal told of Ctrl-C and SIGTERM where others listen too, who decide when the process ends
 * @returns to call where there is nothing to clean any more
 */
export function cleanAtEnd(clean: () => void, onSignal?: (name: NodeJS.Signals) => void): () => void {
  const listener: OwnListener = Object.assign(
    (name: NodeJS.Signals): void => {
      if (process.listeners(name).some((other) => !isCleaner(other as NodeJS.SignalsListener))) {
        if (name !== 'SIGHUP') onSignal?.(name) // the others may ignore SIGHUP
        return
      }
      stop()
      clean()
      // The last one ends the process as the signal would have.
      if (process.listenerCount(name) === 0) process.kill(process.pid, name)
    },
    { [own]: true as const },
  )
  const stop = (): void => {
    process.off('exit', clean)
    for (const name of signals) process.off(name, listener)
  }
  process.once('exit', clean)
  for (const name of signals) process.on(name, listener)
  return stop
}
