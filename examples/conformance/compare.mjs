// @ts-check
/** What an implementation says of vectors, compared with what is true. check.mjs runs it. */

/** The names of an answer, and the largest value that is true. */
const limits = { radius: 'exact', labelRadius: 'exactLabelRadius', earliness: 'exactEarliness' }

/**
 * The claims of an answer, each as a number that must not be above the truth.
 *
 * @param {any} answer
 * @param {any} expected
 * @returns {{ name: string, found: number, exact: number, published: number }[]}
 */
function claimsOf(answer, expected) {
  const claims = Object.entries(limits).map(([name, limit]) => ({
    ...{ name, found: answer[name], exact: expected[limit], published: expected[name] },
  }))
  // A test set: no attack changes more predictions than that, so a larger number claims less.
  if (expected.changed !== undefined)
    claims.push({ name: 'changed', found: answer.changed, exact: expected.exactChanged, published: expected.changed })
  // null: no attack is enough.
  for (const [c, cost] of Object.entries(expected.targets ?? []))
    claims.push({
      ...{ name: `targets[${c}]`, found: answer.targets === undefined ? undefined : (answer.targets[c] ?? Infinity) },
      ...{ exact: expected.exactTargets[c] ?? Infinity, published: cost ?? Infinity },
    })
  return claims.filter(({ published }) => published !== undefined)
}

/**
 * @param {readonly any[]} vectors
 * @param {(vector: any) => any} certify what the implementation says, or a promise of it; null or undefined for a rule that it does not have
 * @returns what is wrong, unsound or loose, in one line each, and how many vectors were answered
 */
export async function checkConformance(vectors, certify) {
  /** @type {{ wrong: string[], unsound: string[], loose: string[], tighter: number, answered: number, unanswered: number }} */
  const report = { wrong: [], unsound: [], loose: [], tighter: 0, answered: 0, unanswered: 0 }
  for (const { expected, ...question } of vectors) {
    const answer = await certify(structuredClone(question))
    if (answer === null || answer === undefined) {
      report.unanswered++
      continue
    }
    report.answered++
    if (answer.prediction !== expected.prediction)
      report.wrong.push(`${question.id}: prediction ${answer.prediction}, not ${expected.prediction}`)
    for (const { name, found, exact, published } of claimsOf(answer, expected)) {
      // An answer may leave out what is next to the radius.
      if (found === undefined && name !== 'radius' && name !== 'changed') continue
      const sign = name === 'changed' ? -1 : 1
      if (!(Number.isInteger(found) || found === Infinity) || found < 0)
        report.wrong.push(`${question.id}: ${name} ${found}`)
      else if (sign * found > sign * exact)
        report.unsound.push(`${question.id}: ${name} ${found}, but exhaustion finds ${exact}`)
      else if (sign * found < sign * published)
        report.loose.push(`${question.id}: ${name} ${found}, published bound ${published}`)
      else if (sign * found > sign * published) report.tighter++
    }
  }
  return report
}
