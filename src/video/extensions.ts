import path from 'node:path'

/** Extensions looked for in folders; a list may name any file. */
export const videoExtensions: ReadonlySet<string> = new Set(
  (
    '.mp4 .m4v .mov .qt .mkv .webm .avi .divx .gif .ts .mts .m2ts .mpg .mpeg .mpe .m1v .m2v .vob .ogv .ogm .ogg .flv .f4v .wmv ' +
    '.asf .3gp .3g2 .mj2 .mjpeg .mjpg .264 .h264 .265 .h265 .hevc .ivf .obu .y4m .mxf .nut .rm .rmvb .dv .apng .webp'
  ).split(' '),
)

/** Extensions that a list may leave out, the usual ones first. */
export const commonExtensions: readonly string[] = ['.mp4', '.webm', '.avi', '.mkv', '.mov', '.mpg', '.flv', '.wmv']

const pictureExtensions: ReadonlySet<string> = new Set('.jpg .jpeg .png .bmp .tif .tiff .ppm .pgm .jp2'.split(' '))

export function hasVideoExtension(name: string): boolean {
  return videoExtensions.has(path.extname(name).toLowerCase())
}

export function hasPictureExtension(name: string): boolean {
  return pictureExtensions.has(path.extname(name).toLowerCase())
}
