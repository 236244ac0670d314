/** Names of augmentations, without loading what makes them. */

/**
 * - `rotate`: by 10 degrees, both ways.
 * - `shear`: each row moved by 0.15 of its distance from the middle, both ways.
 * - `shift`: by 5 % of the side, in four directions.
 * - `color`: darker and brighter by 40 %, and gray.
 * - `mirror`: left and right exchanged. Not for digits, signs or gestures whose side counts.
 * - `crop`: the two ends of the long side instead of its middle.
 * - `time`: the first and the last clip of the video.
 * - `speed`: twice as fast, and half as fast where frames are skipped.
 *
 * What a picture shows beyond its edge is the edge.
 */
export const augmentationKinds = ['rotate', 'shear', 'shift', 'color', 'mirror', 'crop', 'time', 'speed'] as const
