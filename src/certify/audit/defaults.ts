/** What an audit does where it is not told otherwise: the library and the command line read it here. */
import { partitionRule } from '../rules/names.ts'

export const auditDefaults = {
  ...{ partitions: 50, rule: partitionRule },
  /** Random poisonings, and inputs to attack. */
  ...{ trials: 200, attacks: 20 },
} as const
