// @ts-check
/** The rules of `videomae/certify` as a subject of check.mjs. */
import { certifyBallots, certifyCollective } from 'videomae/certify'

/**
 * @param {number} classes
 * @param {readonly { votes?: number[], rankings?: number[][] }[]} inputs
 */
function ballotsOf(classes, inputs) {
  const lists = inputs.map(({ votes = [], rankings }) => rankings ?? votes.map((vote) => (vote < 0 ? [] : [vote])))
  const places = inputs[0].rankings === undefined ? 1 : classes
  // The number of classes in every place is no vote.
  const ranks = Uint8Array.from(
    lists.flat().flatMap((list) => Array.from({ length: places }, (_, place) => list[place] ?? classes)),
  )
  return { inputs: inputs.length, learners: lists[0].length, classes, places, ranks }
}

/** @param {any} vector */
export async function certify(vector) {
  const { rule, aggregation, classes, inputs, budget, offsets, groups, coverage } = vector
  if (rule === 'dpa_white_box') return null // needs the training set
  const layout = { offsets, groups, coverage }
  if (rule === 'collective') {
    const bound = await certifyCollective(ballotsOf(classes, inputs), { rule: aggregation, budget, ...layout })
    return { changed: bound.changedAtMost }
  }
  // Encoder groups have no certificate for single classes.
  const targets = rule === 'groups' ? undefined : Array.from({ length: classes }, (_, c) => c)
  const [certificate] = certifyBallots(ballotsOf(classes, [vector]), { rule, targets, ...layout })
  return { ...certificate, targets: certificate.targets?.map(({ poisons }) => poisons) }
}
