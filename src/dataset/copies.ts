/** Files that are there under several names: copies and links. */

interface Named {
  readonly id: string
  readonly label: string
  /** As `LabeledVideo` has it. */
  readonly digest: string | null
}

/** Videos of the same content, two or more in each group; what has no digest is in none. */
export function copiesOf<Video extends Pick<Named, 'digest'>>(videos: readonly Video[]): Video[][] {
  const groups = new Map<string, Video[]>()
  for (const video of videos) {
    if (video.digest === null) continue
    const group = groups.get(video.digest)
    if (group === undefined) groups.set(video.digest, [video])
    else group.push(video)
  }
  return [...groups.values()].filter((group) => group.length > 1)
}

/**
 * What a user should know of them, one sentence each.
 *
 * @param treated what is done with copies
 */
export function copyWarnings(videos: readonly Named[], treated: string): string[] {
  const copies = copiesOf(videos)
  if (copies.length === 0) return []
  const occur = `file content${copies.length === 1 ? ' occurs' : 's occur'} more than once`
  const names = copies[0].slice(0, 3).map(({ id }) => id)
  const warnings = [`${copies.length} ${occur}, e.g. ${names.join(' = ')}; ${treated}.`]
  const unlike = copies.filter((group) => group.some(({ label }) => label !== group[0].label))
  if (unlike.length === 0) return warnings
  const [first] = unlike[0]
  const other = unlike[0].find(({ label }) => label !== first.label) ?? first
  const have = `file content${unlike.length === 1 ? ' has' : 's have'} several labels`
  return [...warnings, `${unlike.length} ${have}, e.g. ${first.id} (${first.label}) and ${other.id} (${other.label}).`]
}
