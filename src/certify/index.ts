/** Certified robustness to data poisoning: the public functions of this folder. */

export { type ChartOptions, type Curve, renderChart, type Stroke } from '../format/chart.ts'
export { type AuditOptions, type AuditReport, assertAudit, audit } from './audit/audit.ts'
export { certify } from './certify.ts'
export { type CertifyOptions, checkRules, checkShares, trainShare } from './certify-plan.ts'
export { type DoseLearnerOptions, doseLearner } from './dose/dose-learner.ts'
export {
  checkStudy,
  type DoseLearner,
  type LethalDoseOptions,
  type LethalDoseReport,
  lethalDose,
} from './dose/lethal-dose.ts'
export { lethalDoseChart, lethalDoseTable, writeLethalDose } from './dose/lethal-dose-report.ts'
export {
  assignBuckets,
  type BucketKey,
  type BucketManifest,
  bucketManifest,
  checkUnits,
  poisonUnit,
} from './ensemble/buckets.ts'
export {
  checkFeatureSet,
  digestRows,
  type FeatureSet,
  type SampleSet,
  selectRows,
  type TestInputs,
  type TestSet,
} from './ensemble/feature-set.ts'
export { headLearners } from './ensemble/heads/family.ts'
export type { HeadOptions, NearestMeanHead, RidgeHead, SoftmaxHead } from './ensemble/heads/head.ts'
export { mergeShards } from './ensemble/heads/merge.ts'
export type { TrainedLearners, TrainOptions } from './ensemble/heads/plan.ts'
export { trainLearners, voteLearners } from './ensemble/heads/train.ts'
export { certifyRidgeLabelFlips } from './ensemble/heads/white-box.ts'
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
} from './ensemble/learners.ts'
export type { Periods } from './ensemble/periods.ts'
export {
  type CertificateFile,
  type CertificateRun,
  certificateChart,
  certificateRemarks,
  certificateTable,
  certifiedAccuracyCurve,
  ruleStrokes,
  writeCertificate,
} from './files/certificate-file.ts'
export {
  certifyImported,
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
  importedCertificate,
} from './import-votes.ts'
export { baggingRadius } from './rules/bagging.ts'
export { type Ballots, ballotsFromScores } from './rules/ballot.ts'
export {
  certifyBallots,
  certifyInputs,
  type InputCertificate,
  needsRankings,
  needsSpread,
  type Rule,
  type RuleOptions,
  rules,
} from './rules/certify-ballots.ts'
export { type CollectiveBound, type CollectiveOptions, certifyCollective, loadSolver } from './rules/collective.ts'
export { certifyFiniteAggregationExact } from './rules/coverage.ts'
export { certifyDpa, certifyTally } from './rules/dpa.ts'
export { certifyEncoderGroups } from './rules/encoder-groups.ts'
export { certifyFiniteAggregation } from './rules/finite-aggregation.ts'
export { certifyLabelFlips } from './rules/label-flip.ts'
export { type RobustnessSummary, summariseRadii } from './rules/metrics.ts'
export { certifyRunOff } from './rules/run-off-election.ts'
export { certifyRunOffFinite } from './rules/run-off-finite.ts'
export { publishedOffsets, spreadOffsets } from './rules/spread.ts'
export { certifyTemporal } from './rules/temporal.ts'
export {
  checkThreat,
  type EncoderProvenance,
  type EncoderTrust,
  type Threat,
  type ThreatDeclaration,
  type ThreatStatement,
} from './threat/threat.ts'
export { checkVectors, type SectionResult } from './vectors.ts'
export { KeptCertificates } from './votes/kept-certificates.ts'
export { describeReading, type VotesReading } from './votes/reading.ts'
