/** What the columns of a list mean, in any usual spelling: case, blanks, underscores and hyphens do not matter. */
import { editDistance } from '../../core/nearest-key.ts'
import { hasVideoExtension } from '../extensions.ts'

/** What a column can be. Times are seconds, milliseconds or frames; `length` is that of a part. */
export const roles = [
  'path',
  'label',
  'start',
  'end',
  'start (ms)',
  'end (ms)',
  'start (frame)',
  'end (frame)',
  'length',
  'length (frames)',
  'fps',
  'split',
  'fold',
  'group',
  'time',
  'id',
  'original',
] as const
export type Role = (typeof roles)[number]

/**
 * Spellings by role, without blanks, underscores and hyphens, in ranks: where several columns could have a role, one of the
 * earlier rank has it. Sources: Kinetics, Something-Something, UCF101, HMDB51, ActivityNet, EPIC-Kitchens, MMAction, pandas
 * tutorials, the `metadata.csv` of Hugging Face.
 */
const spellings: Readonly<Record<Role, readonly (readonly string[])[]>> = {
  path: [
    words(
      'path paths videopath filepath filepaths clippath fullpath abspath absolutepath relpath relativepath vidpath mediapath fpath',
    ),
    words(
      'file files filename filenames filelocation videofile videofilename videofilepath clipfile clipfilename mediafile fname',
    ),
    words('video videos clip clips movie media location vid'),
    words('videoname clipname vidname'),
  ],
  label: [
    words('label labels'),
    words(
      'class classes category categories classname labelname categoryname action actionname activity activityname actionlabel classlabel target groundtruth',
    ),
    words(
      'labelid classid classindex labelindex classidx labelidx classnumber labelnumber categoryid targetid actionid y',
    ),
  ],
  start: [
    words('start'),
    words(
      'starttime timestart startseconds startsecs startsec starts startsecond tstart begin begintime beginseconds beginsec starttimestamp clipstart segmentstart videostart startoffset onset',
    ),
  ],
  end: [
    words('end'),
    words(
      'endtime timeend endseconds endsecs endsec ends endsecond tend stop stoptime timestop stopseconds stopsec endtimestamp stoptimestamp clipend segmentend videoend endoffset',
    ),
  ],
  'start (ms)': [words('startms starttimems timestartms startmilliseconds beginms')],
  'end (ms)': [words('endms endtimems timeendms endmilliseconds stopms')],
  'start (frame)': [
    words('startframe framestart beginframe firstframe startf startframeidx startframeindex startframes'),
  ],
  'end (frame)': [words('endframe frameend stopframe lastframe endf endframeidx endframeindex endframes')],
  length: [
    words('duration durationseconds durationsec durations length lengthseconds lengthsec clipduration cliplength'),
  ],
  'length (frames)': [words('numframes nframes framecount totalframes nframe numberofframes lengthframes')],
  fps: [words('fps framerate videofps framespersecond')],
  split: [
    words('split splits subset officialsplit datasplit traintestsplit traintest partition'),
    words('set phase usage'),
  ],
  fold: [words('fold folds foldid foldindex foldnumber cvfold kfold')],
  group: [
    words('group groups groupid groupname'),
    words(
      'subject subjects subjectid person personid actor actorid participant participantid patient patientid signer signerid performer performerid speaker speakerid individual',
    ),
    words('source sourceid sourcevideo sourcevideoid videosource originalvideo uploader uploaderid'),
  ],
  time: [
    words('time date datetime'),
    words('recordedat recordingdate recordingtime uploaddate uploadedat collected collectedat'),
  ],
  original: [words('originalsha256')],
  // What is called an id of clips is one; other names often stand in several rows.
  id: [words('id clipid sampleid uid uuid clipuid'), words('videoid videouid youtubeid ytid youtube key name')],
}

function words(text: string): readonly string[] {
  return text.split(' ')
}

/** Spelling -> role and rank. */
const known: ReadonlyMap<string, { readonly role: Role; readonly rank: number }> = new Map(
  roles.flatMap((role) =>
    spellings[role].flatMap((ranked, rank) => ranked.map((spelling) => [spelling, { role, rank }] as const)),
  ),
)

/** Roles that decide what is learned from which videos: a column of theirs is never left out without a word. */
const meaningful: ReadonlySet<Role> = new Set([
  'label',
  'start',
  'end',
  'start (ms)',
  'end (ms)',
  'start (frame)',
  'end (frame)',
  'split',
  'fold',
  'group',
])

/** A name as it is compared: `Start Time (s)` -> `starttime`; `start [ms]` keeps its unit: `startms`. */
function normalizedName(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[([]\s*(?:s|secs?|seconds?)\s*[)\]]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, '')
}

/** What a column of this name is; undefined for a name that is not known. */
export function roleOf(name: string): { readonly role: Role; readonly rank: number } | undefined {
  return known.get(normalizedName(name))
}

/** Whether a record is a header: it names a path, or an id next to something else, or only columns that are known; and no video. */
export function isHeader(fields: readonly string[], exists: (path: string) => boolean): boolean {
  const found = fields.map((field) => roleOf(field)?.role)
  const beside = found.some((role) => role !== undefined && role !== 'id')
  const only = fields.length > 1 && !found.includes(undefined)
  if (!found.includes('path') && !(found.includes('id') && beside) && !only) return false
  return !fields.some((field) => hasVideoExtension(field) || (field !== '' && exists(field)))
}

/**
 * What an unknown name looks like.
 *
 * @returns `typo` of a spelling, by one or two letters; `part` where a word in it means start, end, split, fold or group
 */
export function suspicion(
  name: string,
): { readonly kind: 'typo' | 'part'; readonly role: Role; readonly spelling: string } | undefined {
  const normalized = normalizedName(name)
  for (const [spelling, { role }] of known) {
    if (!meaningful.has(role) || spelling.length < 5 || normalized.length < 4) continue
    const limit = spelling.length >= 8 ? 2 : 1
    if (/\d$/.test(normalized) || Math.abs(spelling.length - normalized.length) > limit) continue
    if (editDistance(normalized, spelling) <= limit) return { kind: 'typo', role, spelling }
  }
  const parts = name.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  for (const part of parts.length > 1 ? parts : []) {
    const found = known.get(part)
    if (found !== undefined && meaningful.has(found.role)) return { kind: 'part', role: found.role, spelling: part }
  }
  return undefined
}
