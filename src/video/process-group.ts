/**
 * Whether decoding processes lead a process group of their own. On POSIX one signal then ends the process and the program
 * it may run, and Ctrl-C reaches only the process that saves. Windows has no groups, and needs none: its kernel ends the
 * children of a Node process with it.
 */
export const ownGroups = process.platform !== 'win32'

/**
 * Ends a decoding process and the program it may run, at once, also where it hangs in native code.
 *
 * @param leader a process that was started with `detached: ownGroups`; it may have ended already
 */
export function killGroup(leader: number): void {
  try {
    process.kill(ownGroups ? -leader : leader, 'SIGKILL')
  } catch {
    // Nothing of it is left.
  }
}
