/** Certificates for videos: from files and an encoder to what `certify`, `audit` and `lethalDose` take. */
export { type Division, divideVideos } from './division.ts'
export { featureSetOf, testSetOf, type VideoFeatures, videoFeatures } from './feature-sets.ts'
export { type FeatureSource, openFeatureSource } from './feature-source.ts'
export {
  type CertifyVideosOptions,
  type CertifyVideosPlan,
  checkPlan,
  type PreparedSets,
  planCertification,
  prepareSets,
  prepareShare,
} from './prepare.ts'
export { encoderProvenance } from './provenance.ts'
export { applyScale, type FeatureScale, measureScale } from './scale.ts'
export { manifestOfData, type TrainingManifest, trainingManifestOf } from './training-manifest.ts'
