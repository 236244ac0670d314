/** The clips of the demo: four directions, which no still frame tells apart. */
export const demoClips = { size: 32, frames: 20, classes: ['right', 'left', 'down', 'up'] } as const
