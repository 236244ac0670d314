/** Names of classes that do not depend on the data: the order of all names, and those that stand for classes that are not in it. */

/**
 * Stand for every name that is not in the data, where the classes are not declared. No learner has samples of them, ties go to
 * them, and they come before all others: so every rule counts them among the rivals, and a class that an attacker invents, or two
 * that he lifts at once in a run-off, do no better. No video may have such a label.
 */
export const otherClasses: readonly string[] = ['(any other class)', '(any other class, a second one)']

/**
 * A total order of all names, fixed before any data: whole numbers by size, then other names by code units. The order of two
 * names does not depend on a third.
 */
export function compareClassNames(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => (/^\d{1,15}$/.test(name) ? Number(name) : null))
  if (left !== null && right !== null && left !== right) return left - right
  if ((left === null) !== (right === null)) return left === null ? 1 : -1
  return a === b ? 0 : a < b ? -1 : 1
}
