/** For `catch` behind the reading of a file that need not be there: anything else that goes wrong is no absence. */
export function nullIfMissing(error: unknown): null {
  if (isMissing(error)) return null
  throw error
}

/** Names in files of strangers may have null characters, which Node.js refuses before it asks the system. */
const noSuchFile: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE']

/**
 * Whether the system says that there is no such file, or that none can have this name; not that it cannot be read now, as for lack of
 * rights or of open files.
 */
export function isMissing(error: unknown): boolean {
  return noSuchFile.includes((error as NodeJS.ErrnoException).code ?? '')
}
