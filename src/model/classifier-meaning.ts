/** Whether the outputs of a classifier are what a softmax over named classes takes them for. */

/**
 * Why the outputs of a classifier are not the logits of its classes; null where they are.
 *
 * @param outputs rows of the last layer
 */
export function classifierProblem(config: unknown, outputs: number): string | null {
  const c = (typeof config === 'object' && config !== null ? config : {}) as Readonly<Record<string, unknown>>
  const type = c.problem_type
  if (type !== undefined && type !== null && type !== 'single_label_classification') {
    return `config.json says problem_type ${JSON.stringify(type)}: its outputs are not probabilities of mutually exclusive classes`
  }
  if (outputs === 1) return 'it has one output, and the softmax of one output is 100 % for every video'
  for (const key of ['num_labels', '_num_labels']) {
    const count = c[key]
    if (count !== undefined && count !== outputs)
      return `config.json says ${key} ${String(count)}, but its last layer has ${outputs} outputs`
  }
  return labelProblem(c.id2label, c.label2id, outputs)
}

function labelProblem(names: unknown, indices: unknown, outputs: number): string | null {
  if (typeof names !== 'object' || names === null) return null
  const labels = new Map(Object.entries(names))
  if (labels.size !== outputs)
    return `config.json names ${labels.size} classes (id2label), but its last layer has ${outputs} outputs`
  const seen = new Set<unknown>()
  for (let i = 0; i < outputs; i++) {
    const label: unknown = labels.get(String(i))
    if (label === undefined)
      return `id2label of config.json has no name for output ${i}: its keys are ${[...labels.keys()].slice(0, 5).join(', ')}, ...`
    if (seen.has(label)) return `id2label of config.json names two outputs ${JSON.stringify(label)}`
    seen.add(label)
  }
  if (typeof indices !== 'object' || indices === null) return null
  const given = Object.entries(indices)
  const wrong = given.find(([label, index]) => labels.get(String(index)) !== label)
  return wrong === undefined
    ? null
    : `label2id of config.json gives ${JSON.stringify(wrong[0])} the number ${String(wrong[1])}, which is ${JSON.stringify(labels.get(String(wrong[1])) ?? 'no class')} in id2label`
}
