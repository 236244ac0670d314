/** What is computed of a video where nothing else is asked for: the library and the command line read it here. */

/** Temporal and spatial views of a video: in evaluation, in prediction, and of which there are features. */
export const usualViews = {
  evaluation: { clips: 5, crops: 3 },
  prediction: { clips: 1, crops: 1 },
  features: { clips: 1, crops: 1 },
} as const

/** Clips in one run of the engine. */
export const usualBatch = { classifier: 4, features: 8 } as const

/** Classes of a prediction, the most probable ones. */
export const usualTop = 5
