/** The words every file of this folder uses. Sizes are pixels, times seconds, frames are counted from 0 in display order. */

import type { FileState } from '../format/regular-file.ts'
import type { VideoFile } from './video-file.ts'

/** One line of a data set: a file, or a part of one. */
export interface VideoEntry {
  /** Path that can be opened. */
  readonly path: string
  /**
   * Path relative to the folder or list it came from (never only the base name: those collide), plus `#start-end` for a part; or
   * what the id column of its list says. With several sources their number comes first: `0/walk/a.mp4`.
   */
  readonly id: string
  /** Name of the class. */
  readonly label?: string
  /** First second used, relative to the first frame. */
  readonly start?: number
  /** Second before which the last used frame begins. */
  readonly end?: number
  /** Samples that must stay on one side of a split, e.g. the source video of a cut clip. */
  readonly group?: string
  /** Which part of an official split it belongs to, as its list says. */
  readonly split?: string
  /** The fold of a cross-validation it is tested in, as its list says. */
  readonly fold?: string
  /** Line of the list that names it, from 1. */
  readonly line?: number
  /** When it was collected, as its list says: a date or a number. */
  readonly time?: string
  /** SHA-256 of the file that this one was prepared from, as its list says. */
  readonly original?: string
  /** What was found when the file was digested (`digestFile`): decoding refuses any other content. */
  readonly content?: { readonly digest: string; readonly state: FileState }
}

/** Width and height in pixels. */
export interface Size {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
}

export interface Box extends Size {
  readonly x: number
  readonly y: number
}

/**
 * How one crop is made: cut `crop` out of the displayed picture, scale it to `scale`, keep the output-sized part at `window`,
 * mirror. Without `window` the scaled crop is the output.
 */
export interface Geometry {
  /** In pixels of the displayed (rotated) picture. */
  readonly crop: Box
  /** What the crop is scaled to, pixels. */
  readonly scale: Size
  /** Top left corner of the part of the scaled crop that is kept. */
  readonly window?: { readonly x: number; readonly y: number }
  /** Mirror left and right. */
  readonly flip: boolean
}

/** What is known of a file without decoding it. */
export interface VideoInfo extends Size {
  /** Path of the file. */
  readonly path: string
  /** FFmpeg's name, e.g. `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly container: string
  /** FFmpeg's name, e.g. `h264`. */
  readonly codec: string
  /** FFmpeg's name, e.g. `yuv420p`. */
  readonly pixelFormat: string
  /** Average frames per second; 0 when unknown. */
  readonly fps: number
  /** Seconds; 0 when unknown. */
  readonly duration: number
  /** Clockwise turn that the display applies: 0, 90, 180 or 270 (`width` and `height` are after it). */
  readonly rotation: 0 | 90 | 180 | 270
  /** Whether the display mirrors the picture left and right. */
  readonly mirrored: boolean
  /** Size of the file. */
  readonly bytes: number
}

/** The frames of an open file: their times are the frame index. */
export interface FrameTimes {
  /** Seconds since the first frame, ascending; its length is the number of frames. */
  readonly times: Float64Array
  /** `container`: read from packet headers; `decoded`: every frame was decoded and counted. */
  readonly source: 'container' | 'decoded'
}

/** How many frames a decoder decoded, and how many were wanted. */
export interface DecodeStats {
  /** Frames that came out of the codec. */
  readonly decoded: number
  /** Different frames that were asked for. */
  readonly used: number
}

/** How a video is encoded to be trained on. */
export interface EncodeSettings {
  /** Shorter side in pixels; smaller pictures keep theirs. */
  readonly size: number
  /** Frames of a group of pictures: decoding can begin at each. 1: every frame stands for itself. */
  readonly group: number
  /** Constant rate factor of x264: about 6 less doubles the bytes. */
  readonly quality: number
}

/** Frames of a video as they are to be encoded. */
export interface EncodePlan {
  /** File that is written; one that exists is overwritten. */
  readonly file: string
  readonly settings: EncodeSettings
  /** Indices of frames, ascending; one may repeat. */
  readonly frames: readonly number[]
  /** Seconds at which each is shown, ascending. */
  readonly seconds: readonly number[]
  /** Frames per second where the rate is constant; then `seconds` are multiples of its inverse. */
  readonly fps?: number
}

/** One open file. Not re-entrant: one call at a time. */
export interface OpenVideo {
  /** What is known of the file. */
  readonly info: VideoInfo
  /** The file that is decoded, as it was opened; absent where there is none. */
  readonly file?: Pick<VideoFile, 'state' | 'requireUnchanged'>
  /** Times of all frames, from the container where it tells them, else by decoding. */
  frameTimes(): Promise<FrameTimes>
  /** Times of all frames that the codec really yields. From then on `decode` counts these frames. */
  decodedFrameTimes(): Promise<FrameTimes>
  /**
   * Writes `geometries.length` clips of `frames.length` frames each, RGB: uint8 [geometry][frame][height][width][3].
   * `frames` may repeat and need not ascend.
   * @throws VideoMaeError `VIDEO_FRAMES_MISSING` when the codec does not yield a frame the container promised; then
   * `decodedFrameTimes` tells what there is.
   */
  decode(
    frames: readonly number[],
    geometries: readonly Geometry[],
    output: Size,
    out: Uint8Array,
  ): Promise<DecodeStats>
  /**
   * Writes frames, scaled, to another file. Absent where a decoder cannot encode.
   *
   * @returns size of the pictures
   * @throws VideoMaeError as `decode`; `ENCODER_MISSING`, `ENCODING_FAILED`
   */
  encode?(plan: EncodePlan): Promise<Size>
  /** Closes the file. */
  close(): void
}

/** What a video may take before it counts as unreadable. */
export interface DecoderLimits {
  /** Largest picture accepted, in pixels. Default 2^26 (8192 x 8192). */
  readonly maxPixels?: number
  /** Processor seconds that one call to an external program may use. Default 60. */
  readonly timeoutSeconds?: number
}

/** Name of a decoder. */
export type DecoderName = 'node-av' | 'ffmpeg'

/** Opens videos and decodes frames, in this process. */
export interface Decoder {
  /** Name of the decoder. */
  readonly name: DecoderName
  /** The library or program and its version, for reports. */
  describe(): string
  /** Opens a file. Close what it returns. */
  open(path: string): Promise<OpenVideo>
}

/** How sources are read. */
export interface ListOptions {
  /** Folder that relative paths of a list start from. Default: the folder the list is in. */
  readonly base?: string
  /**
   * For a list: refuse it where its rows decide how it is read (which columns are used, what separates fields, its encoding), or where
   * one row or file decides about another (two spellings of one path, a path that could mean two files). Default false. For data of
   * which an attacker may have written some rows.
   */
  readonly fixedForm?: boolean
  /** For a folder: take the name of the folder a file is in as its label (see `classFolderWarnings`). Default false. */
  readonly labelFromFolder?: boolean
}

/** Why a video could not be read. */
export interface UnreadableVideo {
  /** Tells it from a video that was read. */
  readonly ok: false
  /** Code of the error, as in docs/errors.md. */
  readonly code: string
  /** One line that names the file. */
  readonly reason: string
}
