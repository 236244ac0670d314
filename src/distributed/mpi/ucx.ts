/**
 * What UCX, the network library below MPICH and Open MPI, is told before it loads.
 *
 * UCX replaces the first instructions of `mmap`, `munmap`, `sbrk` and others as it loads, and tests that with calls of `brk` that raise
 * the end of the heap and put it back. It counts on a process of one thread. Here the main thread may have taken memory from the heap
 * between the two calls; that memory is gone then, and the thread crashes. UCX also replaces the handler of crashes by one that takes
 * memory, which may wait forever for the thread that crashed: the rank would hang and not end.
 */
const settings: Readonly<Record<string, string>> = { UCX_MEM_EVENTS: 'n', UCX_HANDLE_ERRORS: 'none' }

/** Makes UCX leave the functions and signal handlers of this process alone. What a user has set counts. */
export function restrainUcx(variables: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(settings)) variables[name] ??= value
}
