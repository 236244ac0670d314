/** Certificates for videos: from files and an encoder to what `certify`, `audit` and `lethalDose` take. */
export { type AttackKind, attackKinds } from './audit/attacks.ts'
export { auditLists, type ListAuditOptions, type ListAuditReport } from './audit/list-audit.ts'
export { type AuditVideosJob, assertVideoAudit, auditVideos, type VideoAudit } from './audit-videos.ts'
export { type CertifiedVideos, type CertifyVideosJob, certifyVideos, certifyVideosShare } from './certify-videos.ts'
export { compareClassNames, otherClasses } from './class-list.ts'
export { type LethalDoseOfVideosJob, lethalDoseOfVideos } from './dose-videos.ts'
export { featureSetOf, testSetOf, type VideoFeatures, videoFeatures } from './feature-sets.ts'
export { type FeatureSource, openFeatureSource } from './feature-source.ts'
export { groupProvenance, groupsOf, pretrainGroups, writeGroupLists } from './groups.ts'
export { engineLearners } from './learners/family.ts'
export { groupScaledHeads } from './learners/group-scales.ts'
export {
  isHeadKind,
  type LearnerKind,
  type LearnerOptions,
  learnerKinds,
  ownOptions,
  startsFresh,
} from './learners/kinds.ts'
export { SessionPool } from './learners/session-pool.ts'
export type { LearnerSamples, LearnerTrainer, Workplace } from './learners/trainer.ts'
export type { Content, VideoInputs, VideoSet } from './learners/video-set.ts'
export {
  type CertifyVideosOptions,
  type CertifyVideosPlan,
  checkPlan,
  type Division,
  planCertification,
  planVideos,
} from './plan.ts'
export { type Prepared, prepareGroups, prepareLearners, prepareSets, prepareShare } from './prepare.ts'
export { encoderProvenance } from './provenance.ts'
export { type LeftOutRow, leftOutSummary, type SplitRule } from './reading.ts'
export { applyScale, type FeatureScale, measureScale } from './scale.ts'
export { type SeenInputs, seenInputs, seenRemarks } from './seen-inputs.ts'
export { type CertifyStage, type VideoStudyOptions, videosOf } from './study.ts'
export type { PeriodOptions } from './times.ts'
export { manifestOfData, type TrainingManifest, trainingManifestOf } from './training-manifest.ts'
export { type VideoCertificate, videoCertificate } from './video-certificate.ts'
