/** What a study of learning curves measures where it is not told otherwise: the library and the command line read it here. */
export const doseDefaults = {
  /** Random subsets of each size. */
  subsets: 40,
  /** Accuracies of one base classifier at which n is measured. */
  accuracies: [0.5, 0.6, 0.7],
} as const
