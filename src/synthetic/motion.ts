import type { RandomStream } from '../core/random.ts'

/**
 * Clips in which only the *motion* is the class. Shape, texture, colors, size, background and position are drawn at
 * random and independently of the class, and everything moves on a torus, so that at every frame index the distribution
 * of a single frame is the same for all classes: no still frame can tell them apart.
 */
export const motionClasses = [
  'right',
  'left',
  'down',
  'up',
  'clockwise',
  'counterclockwise',
  'orbit-clockwise',
  'orbit-counterclockwise',
] as const

export type MotionClass = (typeof motionClasses)[number]

export interface MotionClipOptions {
  /** Pixels. */
  readonly width: number
  readonly height: number
  readonly frames: number
}

interface Scene {
  readonly kind: MotionClass
  readonly background: Texture
  readonly texture: Texture
  /** Outline radius as a function of the angle, before scaling: a smooth star. */
  readonly lobes: number
  readonly lobeDepth: number
  readonly radius: number
  readonly center: readonly [number, number]
  readonly angle: number
  /** Pixels per frame (translation), radians per frame (rotation, orbit). */
  readonly speed: number
  readonly orbitRadius: number
}

/**
 * A sum of plane waves per channel, some faint long ones and some that tell textures apart. Cheap, and different in every
 * clip. The waves are long enough for every patch to have a slope which its neighbors in space and time foretell.
 */
interface Texture {
  readonly base: readonly [number, number, number]
  readonly waves: readonly {
    readonly fx: number
    readonly fy: number
    readonly phase: number
    readonly amplitude: readonly [number, number, number]
  }[]
}

/**
 * @param side shorter side of the picture, pixels
 * @param contrast amplitude of the medium waves (half a side to a side), gray levels; the long wave has 20
 */
function drawTexture(random: RandomStream, side: number, contrast: number): Texture {
  const color = () => random.uniform(70, 185)
  const wave = (wavelength: number, height: number) => {
    const frequency = (2 * Math.PI) / wavelength
    const direction = random.uniform(0, 2 * Math.PI)
    const amplitude = () => (random.integer(2) === 0 ? -1 : 1) * random.uniform(0.4, 1) * height
    return {
      fx: frequency * Math.cos(direction),
      fy: frequency * Math.sin(direction),
      phase: random.uniform(0, 2 * Math.PI),
      amplitude: [amplitude(), amplitude(), amplitude()] as const,
    }
  }
  return {
    base: [color(), color(), color()],
    waves: [
      wave(side * random.uniform(0.9, 2.2), 20),
      wave(side * random.uniform(0.5, 1.2), contrast),
      wave(side * random.uniform(0.5, 1.2), contrast),
    ],
  }
}

function drawScene(kind: MotionClass, random: RandomStream, { width, height }: MotionClipOptions): Scene {
  const side = Math.min(width, height)
  // What moves must carry most of the picture's variation: with small faint shapes on strong backgrounds neither pretraining
  // nor 16,000 labeled clips taught a small model anything about motion (dev/log.md).
  const background = drawTexture(random, side, 4)
  const texture = drawTexture(random, side, 45)
  return {
    kind,
    background,
    texture,
    lobes: 2 + random.integer(4),
    lobeDepth: random.uniform(0.1, 0.25),
    radius: side * random.uniform(0.32, 0.42),
    center: [random.uniform(0, width), random.uniform(0, height)],
    angle: random.uniform(0, 2 * Math.PI),
    speed: random.uniform(0.7, 1.3),
    orbitRadius: side * random.uniform(0.15, 0.22),
  }
}

/** Position and turn of the shape at frame t. Image y points down, so a growing angle turns clockwise on the screen. */
function poseAt(scene: Scene, t: number, side: number): { x: number; y: number; angle: number } {
  const step = (side / 32) * scene.speed * t
  const turn = 0.16 * scene.speed * t
  const [x, y] = scene.center
  const { angle, orbitRadius } = scene
  const orbit = (phase: number) => ({
    x: x + orbitRadius * Math.cos(angle + phase),
    y: y + orbitRadius * Math.sin(angle + phase),
    angle,
  })
  switch (scene.kind) {
    case 'right':
      return { x: x + step, y, angle }
    case 'left':
      return { x: x - step, y, angle }
    case 'down':
      return { x, y: y + step, angle }
    case 'up':
      return { x, y: y - step, angle }
    case 'clockwise':
      return { x, y, angle: angle + turn }
    case 'counterclockwise':
      return { x, y, angle: angle - turn }
    case 'orbit-clockwise':
      return orbit(turn)
    case 'orbit-counterclockwise':
      return orbit(-turn)
  }
}

function shade(texture: Texture, x: number, y: number, out: Float64Array): void {
  out[0] = texture.base[0]
  out[1] = texture.base[1]
  out[2] = texture.base[2]
  for (const wave of texture.waves) {
    const value = Math.sin(wave.fx * x + wave.fy * y + wave.phase)
    out[0] += value * wave.amplitude[0]
    out[1] += value * wave.amplitude[1]
    out[2] += value * wave.amplitude[2]
  }
}

function renderBackground(texture: Texture, width: number, height: number): Float32Array {
  const pixels = new Float32Array(width * height * 3)
  const color = new Float64Array(3)
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      shade(texture, x, y, color)
      pixels[i] = color[0]
      pixels[i + 1] = color[1]
      pixels[i + 2] = color[2]
    }
  }
  return pixels
}

const wrap = (value: number, size: number): number => value - size * Math.round(value / size)

/**
 * Renders one clip.
 *
 * @param kind the motion, which is the class
 * @param random everything else comes from here
 * @returns RGB frames uint8 [T, H, W, 3]
 */
export function renderMotionClip(kind: MotionClass, random: RandomStream, options: MotionClipOptions): Uint8Array {
  const { width, height, frames } = options
  const scene = drawScene(kind, random, options)
  const background = renderBackground(scene.background, width, height)
  const clip = new Uint8Array(frames * height * width * 3)
  const color = new Float64Array(3)
  let offset = 0
  for (let t = 0; t < frames; t++) {
    const pose = poseAt(scene, t, Math.min(width, height))
    const cos = Math.cos(-pose.angle)
    const sin = Math.sin(-pose.angle)
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i += 3, offset += 3) {
        const dx = wrap(x - pose.x, width)
        const dy = wrap(y - pose.y, height)
        const distance = Math.sqrt(dx * dx + dy * dy)
        let cover = 0
        if (distance < scene.radius * (1 + scene.lobeDepth) + 1) {
          const around = Math.atan2(dy, dx) - pose.angle
          const edge = scene.radius * (1 + scene.lobeDepth * Math.cos(scene.lobes * around))
          cover = Math.min(1, Math.max(0, edge - distance + 0.5))
        }
        if (cover > 0) shade(scene.texture, cos * dx - sin * dy, sin * dx + cos * dy, color)
        for (let c = 0; c < 3; c++) {
          const value = background[i + c] * (1 - cover) + (cover > 0 ? color[c] * cover : 0)
          clip[offset + c] = value < 0 ? 0 : value > 255 ? 255 : value + 0.5
        }
      }
    }
  }
  return clip
}
