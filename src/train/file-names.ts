/** Beside weights and in the folder of a run: what they were trained on. */
export const trainingManifestFile = 'training-manifest.json'
