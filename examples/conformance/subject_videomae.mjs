// @ts-check
/** The rules of `videomae/certify` as a subject of check.mjs. */
import { certifyBallots } from 'videomae/certify'

/** @param {{ classes: number, votes?: number[], rankings?: number[][] }} vector */
function ballotsOf({ classes, votes, rankings }) {
  const lists = rankings ?? (votes ?? []).map((vote) => (vote < 0 ? [] : [vote]))
  const places = rankings === undefined ? 1 : classes
  // The number of classes in every place is no vote.
  const ranks = Uint8Array.from(
    lists.flatMap((list) => Array.from({ length: places }, (_, place) => list[place] ?? classes)),
  )
  return { inputs: 1, learners: lists.length, classes, places, ranks }
}

/** @param {any} vector */
export function certify(vector) {
  const { rule, offsets, groups, coverage } = vector
  if (rule === 'dpa_white_box') return null // needs the training set
  return certifyBallots(ballotsOf(vector), { rule, offsets, groups, coverage })[0]
}
