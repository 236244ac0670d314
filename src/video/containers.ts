import { type VideoErrorCode, videoError } from './video-errors.ts'

/**
 * The formats of libavformat that are opened, by its names for them. Every one of them holds its pictures in the file itself. What is not in this list is
 * never opened, whatever the file is called: playlists and scripts that name other files or addresses (dash, hls, concat, imf, sdp, mlv, vobsub, ...),
 * devices and generators (lavfi, x11grab, ...), pictures (png_pipe, image2, ...), sound, subtitles, and formats of single games or cameras that hardly
 * anybody has and few have tested. docs/video.md has the reasons one by one.
 */
export const allowedContainers: readonly string[] = [
  // Containers of today.
  ...['mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2', 'matroska', 'webm', 'avi', 'mpegts', 'mpeg', 'ogg', 'flv', 'asf'],
  ...['mxf', 'gxf', 'nut', 'ivf', 'rm', 'dv', 'dhav', 'wtv', 'yuv4mpegpipe'],
  // Streams of one codec without a container.
  ...[
    'h264',
    'hevc',
    'vvc',
    'obu',
    'av1',
    'm4v',
    'mpegvideo',
    'h261',
    'h263',
    'vc1',
    'cavsvideo',
    'avs2',
    'avs3',
    'dirac',
    'dnxhd',
  ],
  // Sequences of pictures in one file.
  ...['mjpeg', 'mpjpeg', 'gif', 'apng'],
]

const allowed: ReadonlySet<string> = new Set(allowedContainers)

/** As the options of FFmpeg want it. */
export const containerWhitelist = allowedContainers.join(',')

/** @param name FFmpeg's name of a format, which may be several: `mov,mp4,m4a,3gp,3g2,mj2` */
export function isAllowedContainer(name: string): boolean {
  return name.split(',').some((part) => allowed.has(part))
}

/** Formats whose files name other files or addresses, for the message; being left out of the list above is what keeps them shut. */
const naming = new Set([
  'dash',
  'hls',
  'concat',
  'imf',
  'sdp',
  'rtsp',
  'webm_dash_manifest',
  'mlv',
  'vobsub',
  'avisynth',
  'vapoursynth',
  'lavfi',
])
const pictures = new Set([
  'image2',
  'image2pipe',
  'ico',
  'fits',
  'alias_pix',
  'brender_pix',
  'jpegxl_anim',
  'svg',
  'txd',
])

/** Why a file is not opened whose content FFmpeg takes for `name`. */
export function containerRefusal(path: string, name: string): Error {
  const refuse = (code: VideoErrorCode, what: string): Error => videoError(code, path, what)
  if (pictures.has(name) || name.endsWith('_pipe')) {
    return refuse('VIDEO_IS_PICTURE', `is a picture (${name.replace(/_pipe$/, '')}), not a video`)
  }
  if (naming.has(name)) {
    return refuse(
      'VIDEO_CONTAINER_REFUSED',
      `is of the format ${name}, which refers to other files; expected a file that contains the video itself`,
    )
  }
  return refuse('VIDEO_CONTAINER_REFUSED', `is of the format ${name}, which is not one of the supported video formats`)
}

/** Brands of ISO files that hold still pictures: AVIF and HEIF. Sequences of pictures have others (`avis`, `msf1`, `hevc`). */
const stillBrands = new Set(['avif', 'mif1', 'mif2', 'miaf', 'heic', 'heix', 'heim', 'heis', 'jpeg', 'avci'])

/**
 * FFmpeg takes a still picture in an ISO file (AVIF, HEIF) for a video of one frame.
 *
 * @param head the first bytes of the file, at least 12
 * @throws VideoMaeError `VIDEO_IS_PICTURE`
 */
export function requireNoStillPicture(path: string, head: Uint8Array): void {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(12, head.byteLength)).toString('latin1')
  const brand = text.slice(4, 8) === 'ftyp' ? text.slice(8, 12) : ''
  if (stillBrands.has(brand)) throw containerRefusal(path, `${brand}_pipe`)
}

/** How text begins that names other files, or draws a picture. FFmpeg does not know all of it by its content alone. */
const textFormats: readonly (readonly [string, RegExp])[] = [
  ['hls', /^\s*#EXTM3U/],
  ['concat', /^\s*ffconcat version/],
  ['sdp', /^v=0\r?\n/],
  ['dash', /<MPD[\s>]/],
  ['imf', /<CompositionPlaylist[\s>]/],
  ['svg', /<svg[\s>]/],
]

/**
 * For a file that FFmpeg can make nothing of: whether it is text of a known kind, so that the message can say so. Nothing depends on it but the message.
 *
 * @param head the first bytes of the file
 */
export function knownText(head: Buffer): string | undefined {
  const text = head.toString('utf8').replace(/^\ufeff/, '')
  return textFormats.find(([, pattern]) => pattern.test(text))?.[0]
}

/** Bytes in which `knownText` looks. */
export const textHeadBytes = 4096
