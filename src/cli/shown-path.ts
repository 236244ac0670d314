import path from 'node:path'

/** How a file or folder is shown to a user: by its path from here, or by its whole path where it is elsewhere. */
export function shownPath(place: string): string {
  const relative = path.relative('.', place)
  return relative.split(path.sep)[0] === '..' ? path.resolve(place) : relative || '.'
}
