/** The form of the lines that a run writes down and reads again when it is resumed. What a line has beyond these fields is kept. */
import { z } from 'zod'

/** A step, a number of clips or of videos. */
const count = z.number().nonnegative()

/** A line of `metrics.jsonl`: what earlier versions did not write is optional. */
export const metricsLineSchema = z.looseObject({
  step: count,
  clips: count,
  loss: z.number(),
  meanLoss: z.number().optional(),
  learningRate: z.number(),
  clipsPerSecond: z.number().nullish(),
  dataWait: z.number().nullish(),
  memory: count,
  engineMemory: count.optional(),
  seconds: count,
})

/** A line of `signs.jsonl`. */
export const signsLineSchema = z.looseObject({
  step: count,
  arrowOfTime: z.number(),
  flowDirection: z.number(),
  effectiveRank: z.number(),
  videos: count,
})

/** A line of `validation.jsonl`: what the best pass is chosen by. */
export const validationLineSchema = z.looseObject({ step: count, accuracy: z.number(), loss: z.number() })

/** What `best/chosen.json` says: the pass that the weights are of, or the step alone. */
export const chosenSchema = z.looseObject({ step: count })
