/**
 * Files that a stranger could send instead of a video, made from one good video: playlists of every kind that FFmpeg knows, under names and through
 * links that hide what they are, pictures, sound, text, references to other files, and names that look like something else.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface HostileFile {
  /** Relative to the folder. */
  readonly file: string
  /** The code that decoding must end with; null for a file that is only hostile by its name, and decodes. */
  readonly code: string | null
}

const dash = (url: string): string =>
  '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S" minBufferTime="PT1S" ' +
  'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4" contentType="video">' +
  `<Representation id="1" bandwidth="1000" codecs="avc1.64001f" width="128" height="96"><BaseURL>${url}</BaseURL>` +
  '</Representation></AdaptationSet></Period></MPD>\n'
const hls = (url: string): string => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${url}\n#EXT-X-ENDLIST\n`
const hlsMaster = (url: string): string => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=128x96\n${url}\n`
const concat = (url: string): string => `ffconcat version 1.0\nfile '${url}'\n`
const imf = (id: string): string =>
  '<?xml version="1.0" encoding="UTF-8"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">' +
  `<Id>urn:uuid:${id}</Id><ContentTitle>x</ContentTitle><EditRate>25 1</EditRate><SegmentList/></CompositionPlaylist>\n`
const sdp =
  'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n'
const ted = '{"captions":[{"duration":1000,"content":"file:///etc/passwd","startOfParagraph":true,"startTime":0}]}\n'
const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd" width="9" height="9"/></svg>\n'
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const jpeg = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN//Z',
  'base64',
)
const webp = Buffer.from('UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA', 'base64')
const avif = Buffer.concat([Buffer.from('0000001c66747970617669660000000061766966', 'hex'), Buffer.alloc(200)])

/** A WAV file of one second of silence. */
function silence(): Buffer {
  const wav = Buffer.alloc(44 + 16_000)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(wav.length - 8, 4)
  wav.write('WAVEfmt ', 8)
  for (const [at, value] of [
    [16, 16],
    [24, 8000],
    [28, 16_000],
  ])
    wav.writeUInt32LE(value, at)
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ])
    wav.writeUInt16LE(value, at)
  wav.write('data', 36)
  wav.writeUInt32LE(16_000, 40)
  return wav
}

/** The boxes around the data references of the first track of a QuickTime file, outermost first. */
const referencePath = ['moov', 'trak', 'mdia', 'minf', 'dinf', 'dref']

/**
 * A QuickTime file whose samples are, as it says, in another file of its folder. The movie header has to come after the samples.
 *
 * @param name the other file
 */
function withExternalReference(video: Buffer, name: string): Buffer {
  const boxes: number[] = []
  let [from, to] = [0, video.length]
  for (const type of referencePath) {
    let at = from
    while (at < to && video.toString('latin1', at + 4, at + 8) !== type) at += video.readUInt32BE(at)
    if (at >= to) throw new Error(`no ${type} in the video`)
    boxes.push(at)
    ;[from, to] = [at + (type === 'dref' ? 16 : 8), at + video.readUInt32BE(at)]
  }
  // A Macintosh alias record, as QuickTime writes it: names of volume and file, levels up and down, then the path.
  const alias = Buffer.alloc(150)
  alias[10] = 3
  alias.write('vol', 11)
  alias[50] = name.length
  alias.write(name, 51)
  alias.writeUInt16BE(1, 130)
  alias.writeUInt16BE(1, 132)
  const fullPath = Buffer.from(`vol:${name}`)
  const lengths = Buffer.alloc(4)
  lengths.writeUInt16BE(2, 0)
  lengths.writeUInt16BE(fullPath.length, 2)
  const end = Buffer.from([0xff, 0xff, 0, 0])
  const body = Buffer.concat([alias, lengths, fullPath, Buffer.alloc(fullPath.length % 2), end])
  const entry = Buffer.concat([Buffer.alloc(4), Buffer.from('alis'), Buffer.alloc(4), body])
  entry.writeUInt32BE(entry.length, 0)
  const old = to - from
  const out = Buffer.concat([video.subarray(0, from), entry, video.subarray(to)])
  for (const at of boxes) out.writeUInt32BE(out.readUInt32BE(at) + entry.length - old, at)
  return out
}

/** Text that looks like the records of the `ffmpeg` program, its stream lines, and a terminal's commands. */
export const misleading =
  '[Parsed_showinfo_0 @ 0x1] n:   0 pts:      0 pts_time:0 fmt:yuv420p s:128x96 i:P iskey:1\nframe:0    pts:0       pts_time:0\nvideomae=1\n' +
  'Input #0, mov, from x:\n  Stream #0:0: Video: h264, yuv420p, 1x1, 1 fps\n0, 0, 0, 1, 9, 0x0\n#dimensions 0: 1x1\nerror \u001b[31m'

/**
 * @param folder an empty folder
 * @param video a good QuickTime or MP4 file that is elsewhere, its movie header behind its samples
 */
export function writeHostileFiles(folder: string, video: string): HostileFile[] {
  const found: HostileFile[] = []
  const secret = path.join(folder, 'other', 'secret.mp4')
  const write = (file: string, content: string | Buffer, code: string | null): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), content)
    found.push({ file, code })
  }
  mkdirSync(path.dirname(secret), { recursive: true })
  copyFileSync(video, secret)
  copyFileSync(video, path.join(folder, 'beside.mp4'))

  const refused = 'VIDEO_CONTAINER_REFUSED'
  for (const [kind, url] of [
    ['url', `file://${secret}`],
    ['absolute', secret],
    ['parent', '../other/secret.mp4'],
    ['beside', 'beside.mp4'],
  ]) {
    for (const ending of ['mp4', 'mkv', 'mpd']) write(`lists/dash-${kind}.${ending}`, dash(url), refused)
    for (const ending of ['m3u8', 'mp4']) write(`lists/hls-${kind}.${ending}`, hls(url), refused)
    for (const ending of ['ffconcat', 'avi']) write(`lists/concat-${kind}.${ending}`, concat(url), refused)
  }
  copyFileSync(video, path.join(folder, 'lists', 'beside.mp4'))
  write('lists/dash-network.mp4', dash('http://127.0.0.1:9/x.mp4'), refused)
  write('lists/dash-itself.mp4', dash('dash-itself.mp4'), refused)
  write('lists/concat-itself.mp4', concat('concat-itself.mp4'), refused)
  write('lists/hls-itself.m3u8', hls('hls-itself.m3u8'), refused)
  write('lists/hls-of-dash.m3u8', hlsMaster('dash-url.mp4'), refused)
  write('lists/concat-of-dash.mp4', concat('dash-beside.mp4'), refused)
  write('lists/dash-of-concat.mp4', dash('concat-beside.avi'), refused)
  write('lists/hls-data.m3u8', hls('data:video/mp4;base64,AAAA'), refused)
  write(
    'lists/hls-key.m3u8',
    `#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="${secret}"\n#EXTINF:1,\nbeside.mp4\n#EXT-X-ENDLIST\n`,
    refused,
  )
  write('lists/imf.mp4', imf('0fdba9ec-c6f4-4e10-8c2b-8e9b0e9b0001'), refused)
  write('lists/stream.sdp', sdp, refused)
  write('lists/sdp.mp4', sdp, refused)
  symlinkSync('lists/dash-url.mp4', path.join(folder, 'link-to-list.mp4'))
  found.push({ file: 'link-to-list.mp4', code: refused })

  write('pictures/picture.png', png, 'VIDEO_IS_PICTURE')
  write('pictures/png.mp4', png, 'VIDEO_IS_PICTURE')
  write('pictures/picture.jpg', jpeg, 'VIDEO_IS_PICTURE')
  write('pictures/frame%03d.jpg', jpeg, 'VIDEO_IS_PICTURE')
  write('pictures/picture.webp', webp, 'VIDEO_IS_PICTURE')
  write('pictures/picture.svg', svg, 'VIDEO_IS_PICTURE')
  write('pictures/picture.avif', avif, 'VIDEO_IS_PICTURE')
  write('text/sound.mp4', silence(), refused)
  write('text/captions.mp4', ted, refused)
  write('text/subtitles.mkv', '1\n00:00:00,000 --> 00:00:01,000\nfile:///etc/passwd\n\n', refused)
  write('text/metadata.mp4', ';FFMETADATA1\ntitle=x\n', refused)
  write('reference.mov', withExternalReference(readFileSync(video), 'beside.mp4'), 'VIDEO_NO_FRAMES')

  if (process.platform !== 'win32') found.push(...writeLinks(folder))
  found.push(...writeNames(folder, video))
  return found
}

/** Links, a pipe and devices in the place of files. */
function writeLinks(folder: string): HostileFile[] {
  const links = {
    'zero.mp4': '/dev/zero',
    'loop.mp4': 'loop.mp4',
    'nothing.mp4': 'absent',
    'folder.mp4': '.',
    'link-to-pipe.mp4': 'pipe.mp4',
  }
  mkdirSync(path.join(folder, 'no-files'))
  spawnSync('mkfifo', [path.join(folder, 'no-files', 'pipe.mp4')])
  for (const [link, target] of Object.entries(links)) symlinkSync(target, path.join(folder, 'no-files', link))
  return ['pipe.mp4', ...Object.keys(links)].map((name) => ({
    file: `no-files/${name}`,
    code: name === 'loop.mp4' ? 'VIDEO_UNREADABLE' : 'VIDEO_NOT_FOUND',
  }))
}

/** The video under names that mean something to programs. */
function writeNames(folder: string, video: string): HostileFile[] {
  const names = [
    `${misleading.split('\n')[0]}.mp4`,
    `a\n${misleading.split('\n')[1]}\nb.mp4`,
    'concat:next to.mp4',
    'fd:',
    'pipe:0',
    '-i',
    'a|b,c[d]\u001b[31m.mp4',
  ]
  mkdirSync(path.join(folder, 'names'), { recursive: true })
  for (const name of names) copyFileSync(video, path.join(folder, 'names', name))
  return names.map((name) => ({ file: `names/${name}`, code: null }))
}
