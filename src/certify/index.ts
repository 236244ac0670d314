/** Certified robustness to data poisoning: the public functions of this folder. */
export { type AuditOptions, type AuditReport, assertAudit, audit } from './audit.ts'
export { type Ballots, ballotsFromScores } from './ballot.ts'
export {
  type CertificateFile,
  type CertificateRun,
  certificateChart,
  certificateRemarks,
  certificateTable,
  certifiedAccuracyCurve,
  ruleStrokes,
  writeCertificate,
} from './certificate-file.ts'
export { certify } from './certify.ts'
export {
  certifyBallots,
  certifyInputs,
  type InputCertificate,
  needsRankings,
  needsSpread,
  type Rule,
  type RuleOptions,
  rules,
} from './certify-ballots.ts'
export { type CertifyOptions, checkRules, checkShares, trainShare } from './certify-plan.ts'
export { type ChartOptions, type Curve, renderChart, type Stroke } from './chart.ts'
export {
  assignBuckets,
  type BucketKey,
  type BucketManifest,
  bucketManifest,
  checkUnits,
  poisonUnit,
} from './data/buckets.ts'
export {
  checkFeatureSet,
  digestRows,
  type FeatureSet,
  type SampleSet,
  selectRows,
  type TestInputs,
  type TestSet,
} from './data/feature-set.ts'
export type { Periods } from './data/periods.ts'
export { type DoseLearnerOptions, doseLearner } from './dose-learner.ts'
export { headLearners } from './heads/family.ts'
export type { HeadOptions, NearestMeanHead, RidgeHead, SoftmaxHead } from './heads/head.ts'
export { mergeShards } from './heads/merge.ts'
export type { TrainedLearners, TrainOptions } from './heads/plan.ts'
export { trainLearners, voteLearners } from './heads/train.ts'
export {
  certifyImported,
  type ImportedBallots,
  type ImportedCertificate,
  type ImportOptions,
  importBallots,
  importedCertificate,
} from './import-votes.ts'
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
} from './learners.ts'
export {
  checkStudy,
  type DoseLearner,
  type LethalDoseOptions,
  type LethalDoseReport,
  lethalDose,
} from './lethal-dose.ts'
export { lethalDoseChart, lethalDoseTable, writeLethalDose } from './lethal-dose-report.ts'
export { type RobustnessSummary, summariseRadii } from './metrics.ts'
export { baggingRadius } from './rules/bagging.ts'
export { type CollectiveBound, type CollectiveOptions, certifyCollective, loadSolver } from './rules/collective.ts'
export { certifyFiniteAggregationExact } from './rules/coverage.ts'
export { certifyDpa, certifyTally } from './rules/dpa.ts'
export { certifyEncoderGroups } from './rules/encoder-groups.ts'
export { certifyFiniteAggregation } from './rules/finite-aggregation.ts'
export { certifyLabelFlips } from './rules/label-flip.ts'
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
} from './threat.ts'
export { checkVectors, type SectionResult } from './vectors.ts'
export { KeptCertificates } from './votes-file/kept-certificates.ts'
export { describeReading, type VotesReading } from './votes-file/reading.ts'
export { certifyRidgeLabelFlips } from './white-box.ts'
