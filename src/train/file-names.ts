/** Beside weights and in the folder of a run: what they were trained on. */
export const trainingManifestFile = 'training-manifest.json'

/** In the folder of a run: signs of learning, a line for each time that they were measured. */
export const signsFile = 'signs.jsonl'

/** In the folder of a run: its validation passes, a line for each. */
export const validationFile = 'validation.jsonl'
