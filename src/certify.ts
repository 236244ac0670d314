/** `videomae/certify`: certified robustness to data poisoning, for videos and for features or votes of any program. See docs/certify.md. */
import './core/require-node.ts'

export { type Attestation, type AttestOptions, attestCertificate } from './certify/attest/attest.ts'
export { type AuditOptions, type AuditReport, assertAudit, audit } from './certify/audit/audit.ts'
export { certify } from './certify/certify.ts'
export {
  type CertifyOptions,
  checkRules,
  checkShares,
  type EnsembleToKeep,
  trainShare,
} from './certify/certify-plan.ts'
export { type CertifiedVotes, type CertifyVotesOptions, certifyVotes } from './certify/certify-votes.ts'
export type { ChangedUnit, UnitChange } from './certify/diff/changes.ts'
export type { ClaimDifference } from './certify/diff/claims.ts'
export {
  assertDiff,
  type CertificateDiff,
  type DiffViolation,
  diffCertificates,
  type InputComparison,
  type InputOutcome,
  type RunDiff,
} from './certify/diff/diff.ts'
export { diffCsv, diffTable } from './certify/diff/table.ts'
export { type DoseLearnerOptions, doseLearner } from './certify/dose/dose-learner.ts'
export {
  checkStudy,
  type DoseLearner,
  type LethalDoseOptions,
  type LethalDoseReport,
  lethalDose,
} from './certify/dose/lethal-dose.ts'
export { lethalDoseChart, lethalDoseTable, writeLethalDose } from './certify/dose/lethal-dose-report.ts'
export { type DoseProposal, type ProposedEnsemble, proposeFromDose, readDoseStudy } from './certify/dose/proposal.ts'
export {
  assignBuckets,
  type BucketKey,
  type BucketManifest,
  bucketManifest,
  checkUnits,
  poisonUnit,
} from './certify/ensemble/buckets.ts'
export {
  checkFeatureSet,
  digestRows,
  type FeatureSet,
  type SampleSet,
  selectRows,
  type TestInputs,
  type TestSet,
} from './certify/ensemble/feature-set.ts'
export { headLearners } from './certify/ensemble/heads/family.ts'
export type { TrainedHeads } from './certify/ensemble/heads/head.ts'
export type { HeadOptions } from './certify/ensemble/heads/list.ts'
export type { NearestMeanHead } from './certify/ensemble/heads/nearest-mean.ts'
export type { RidgeHead } from './certify/ensemble/heads/ridge.ts'
export type { SoftmaxHead } from './certify/ensemble/heads/softmax.ts'
export { voteLearners } from './certify/ensemble/heads/vote.ts'
export type {
  EnsemblePlan,
  LearnerDescription,
  LearnerFamily,
  LearnerRecord,
  PoisonedRow,
  PoolOptions,
  Shard,
  TrainedEnsemble,
  VoteOptions,
} from './certify/ensemble/learners.ts'
export type { Periods } from './certify/ensemble/periods.ts'
export {
  type CertificateFile,
  type CertificateRun,
  certificateChart,
  certificateRemarks,
  certificateTable,
  certifiedAccuracyCurve,
  type EnsembleReference,
  type Provenance,
  writeCertificate,
} from './certify/files/certificate-file.ts'
export type { RecordedSample, SampleFiles, SampleRecord } from './certify/files/sample-record.ts'
export { importedCollective } from './certify/import-collective.ts'
export {
  certifyImported,
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
  importedCertificate,
} from './certify/import-votes.ts'
export { baggingRadius } from './certify/rules/bagging.ts'
export { type Ballots, ballotsFromScores } from './certify/rules/ballot.ts'
export { certifyBallots, certifyInputs, type RuleOptions } from './certify/rules/certify-ballots.ts'
export {
  type CollectiveBound,
  type CollectiveOptions,
  type CollectiveRow,
  certifyCollective,
  collectiveRows,
  loadSolver,
} from './certify/rules/collective.ts'
export { certifyFiniteAggregationExact } from './certify/rules/coverage.ts'
export { certifyDpa, certifyTally } from './certify/rules/dpa.ts'
export { certifyEncoderGroups } from './certify/rules/encoder-groups.ts'
export { certifyFiniteAggregation } from './certify/rules/finite-aggregation.ts'
export { certifyLabelFlips } from './certify/rules/label-flip.ts'
export { needsRankings, needsSpread, type Rule, rules } from './certify/rules/list.ts'
export { type RobustnessSummary, summarizeRadii } from './certify/rules/metrics.ts'
export type { InputCertificate } from './certify/rules/rule.ts'
export { certifyRunOff } from './certify/rules/run-off-election.ts'
export { certifyRunOffFinite } from './certify/rules/run-off-finite.ts'
export { publishedOffsets, spreadOffsets } from './certify/rules/spread.ts'
export { certifyTemporal } from './certify/rules/temporal.ts'
export { compareClassNames, otherClasses } from './certify/threat/class-names.ts'
export {
  checkThreat,
  type EncoderProvenance,
  type EncoderTrust,
  type Threat,
  type ThreatDeclaration,
  type ThreatStatement,
} from './certify/threat/threat.ts'
export { checkVectors, type SectionResult } from './certify/vectors.ts'
export { assertVerified } from './certify/verify/assert-verified.ts'
export type { CertificateStatement } from './certify/verify/attestation.ts'
export type { Difference } from './certify/verify/differences.ts'
export type { VerificationReport, VerifiedRun } from './certify/verify/verify-votes.ts'
export { type AttackKind, attackKinds } from './certify/videos/audit/attacks.ts'
export { auditLists, type ListAuditOptions, type ListAuditReport } from './certify/videos/audit/list-audit.ts'
export { type AuditVideosJob, assertVideoAudit, auditVideos, type VideoAudit } from './certify/videos/audit-videos.ts'
export {
  type CertifiedVideos,
  type CertifyVideosJob,
  certifyVideos,
  certifyVideosShare,
} from './certify/videos/certify-videos.ts'
export { type LethalDoseOfVideosJob, lethalDoseOfVideos } from './certify/videos/dose-videos.ts'
export {
  type EnsembleExport,
  type EnsembleExportOptions,
  type EnsembleInput,
  exportEnsemble,
} from './certify/videos/ensemble/export-ensemble.ts'
export {
  type CertifiedClass,
  type CertifiedEnsemble,
  type CertifiedEnsembleOptions,
  type CertifiedVideo,
  openCertifiedEnsemble,
  type PredictCertifiedOptions,
} from './certify/videos/ensemble/open-ensemble.ts'
export { featureSetOf, testSetOf, type VideoFeatures, videoFeatures } from './certify/videos/feature-sets.ts'
export { type FeatureSource, openFeatureSource } from './certify/videos/feature-source.ts'
export { type CertificationForecast, forecastCertification } from './certify/videos/forecast/forecast.ts'
export { groupProvenance, groupsOf, pretrainGroups, writeGroupLists } from './certify/videos/groups.ts'
export { engineLearners } from './certify/videos/learners/family.ts'
export { groupScaledHeads } from './certify/videos/learners/group-scales.ts'
export {
  isHeadKind,
  type LearnerKind,
  type LearnerOptions,
  learnerKinds,
  ownOptions,
  startsFresh,
} from './certify/videos/learners/learner-options.ts'
export { SessionPool } from './certify/videos/learners/session-pool.ts'
export type { LearnerSamples, LearnerTrainer, TrainerContext } from './certify/videos/learners/trainer.ts'
export type { Content, VideoInputs, VideoSet } from './certify/videos/learners/video-set.ts'
export {
  type CertifySplit,
  type CertifyVideosOptions,
  type CertifyVideosPlan,
  checkCertificationPlan,
  planCertification,
  planVideos,
} from './certify/videos/plan.ts'
export { type Prepared, prepareGroups, prepareLearners, prepareSets, prepareShare } from './certify/videos/prepare.ts'
export { encoderProvenance } from './certify/videos/provenance.ts'
export { type LeftOutRow, leftOutSummary, type SplitRule } from './certify/videos/reading.ts'
export { applyScale, type FeatureScale, measureScale } from './certify/videos/scale.ts'
export { type SeenInputs, seenInputs, seenRemarks } from './certify/videos/seen-inputs.ts'
export type { CertifyStage, VideoStudyOptions } from './certify/videos/study.ts'
export { manifestOfData, type TrainingManifest, trainingManifestOf } from './certify/videos/training-manifest.ts'
export { type VerifyCertificateOptions, verifyCertificate } from './certify/videos/verify-videos.ts'
export { type VideoCertificate, videoCertificate } from './certify/videos/video-certificate.ts'
export type { PeriodOptions } from './certify/videos/video-times.ts'
export { KeptCertificates } from './certify/votes/kept-certificates.ts'
export { describeReading, type VotesReading } from './certify/votes/reading.ts'
export type { VotesRulesOptions } from './certify/votes-rules.ts'
export { type ChartOptions, type Curve, renderChart, type Stroke } from './format/chart.ts'
