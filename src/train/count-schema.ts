import { z } from 'zod'
import { type CountName, largestCounts } from '../core/counts.ts'

/** A count of a configuration: a whole number from 1 to the largest of its kind. */
export const countSchema = (name: CountName) => z.int().min(1).max(largestCounts[name])
