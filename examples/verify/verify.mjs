/**
 * A second, independent check of a certificate: recomputes predictions and radii from the stored votes. No dependencies.
 *
 *   node verify.mjs certificate.json ...        also imported-certificate-RULE.json
 *   node verify.mjs --vectors vectors.json      checks this program against test vectors
 *
 * Checked: prediction, radius, labelRadius, earliness, abstentions, accuracies, median and mean radius, sizes, order and SHA-256 of the
 * votes. Of rule fa_exact: that the radius is between the published bound and a greedy attack. What else a run states is named as not checked:
 * rivals, targets, collective bounds and so on. Buckets and the claim are not checked either.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const range = (n) => Array.from({ length: n }, (_, i) => i)

/** Votes per class; the value `classes` is no vote. */
function tally(votes, classes) {
  const counts = new Array(classes).fill(0)
  for (const vote of votes) if (vote < classes) counts[vote]++
  return counts
}
const plurality = (counts) => counts.indexOf(Math.max(...counts))
/** What an attack has to take off the lead of a over b: ties go to the smaller class. */
const gapOf = (counts, a, b) => counts[a] - counts[b] + (b > a ? 1 : 0)
/** Rivals that differ: classes without votes on one side of the winner are all alike. */
function rivalsOf(counts, winner, alike) {
  const unvoted = [0, 0]
  return range(counts.length).filter((c) => c !== winner && (counts[c] > 0 || unvoted[c < winner ? 0 : 1]++ < alike))
}
/** What capturing a learner takes off the lead of a over b. */
const worth = (vote, a, b) => 1 + (vote === a) - (vote === b)
/** [buckets] the worth of all learners (j + offset) mod n that bucket j reaches. */
const powersOf = (worths, offsets) =>
  range(worths.length).map((j) => offsets.reduce((sum, s) => sum + worths[(j + s) % worths.length], 0))
/** Fewest of the largest powers that reach the gap. */
function fewest(powers, gap) {
  if (gap <= 0) return 0
  let sum = 0
  const sorted = [...powers].sort((a, b) => b - a)
  for (const [i, power] of sorted.entries()) if ((sum += power) >= gap) return i + 1
  return Number.POSITIVE_INFINITY
}

/** DPA (offsets [0]) and Finite Aggregation. */
function aggregate(votes, classes, offsets) {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const costs = rivalsOf(counts, prediction, 1).map((c) =>
    fewest(powersOf(votes.map((v) => worth(v, prediction, c)), offsets), gapOf(counts, prediction, c)),
  )
  return { prediction, radius: Math.min(...costs) - 1 }
}

/** Buckets that a greedy attack needs: the exact radius is below. */
function greedyAttack(votes, classes, offsets) {
  const counts = tally(votes, classes)
  const winner = plurality(counts)
  const costs = rivalsOf(counts, winner, 1).map((c) => {
    const worths = votes.map((v) => worth(v, winner, c))
    let [gap, buckets] = [gapOf(counts, winner, c), 0]
    for (; gap > 0; buckets++) {
      const powers = powersOf(worths, offsets)
      const j = powers.indexOf(Math.max(...powers))
      gap -= powers[j]
      for (const s of offsets) worths[(j + s) % worths.length] = 0
    }
    return buckets
  })
  return Math.min(...costs)
}

/** Run-Off Election. Rankings: [learners][classes]. `disjoint`: the closed form of DPA+ROE, else summed bucket powers. */
function runOff(rankings, classes, offsets, disjoint) {
  const votes = rankings.map((ranking) => ranking[0])
  const counts = tally(votes, classes)
  const first = plurality(counts)
  const second = plurality(counts.map((count, c) => (c === first ? -1 : count)))
  const before = (ranking, a, b) => ranking.indexOf(a) < ranking.indexOf(b)
  /** What y leads c by in a final. */
  const finalGap = (y, c) =>
    rankings.reduce((sum, r) => sum + (r[0] === classes ? 0 : before(r, y, c) ? 1 : -1), c > y ? 1 : 0)
  const y = finalGap(first, second) > 0 ? first : second
  const s = y === first ? second : first
  const close = (worths, gap) =>
    disjoint ? Math.ceil(Math.max(0, gap) / 2) : fewest(powersOf(worths, offsets), gap)
  const round2 = range(classes)
    .filter((c) => c !== y)
    .map((c) => {
      const arrive = c === s ? 0 : close(votes.map((v) => worth(v, s, c)), gapOf(counts, s, c))
      const worths = rankings.map((r) => (r[0] === classes ? 1 : before(r, y, c) ? 2 : 0))
      return Math.max(arrive, close(worths, finalGap(y, c)))
    })
  const rivals = rivalsOf(counts, y, 2)
  let round1 = Number.POSITIVE_INFINITY
  for (const [i, a] of rivals.entries())
    for (const b of rivals.slice(i + 1)) {
      const [gapA, gapB] = [gapOf(counts, y, a), gapOf(counts, y, b)]
      const both = disjoint
        ? Math.ceil((Math.max(0, gapA) + Math.max(0, gapB)) / 3)
        : fewest(powersOf(votes.map((v) => 1 + 2 * (v === y) - (v === a) - (v === b)), offsets), gapA + gapB)
      const alone = [a, b].map((c) => close(votes.map((v) => worth(v, y, c)), gapOf(counts, y, c)))
      round1 = Math.min(round1, Math.max(...alone, both))
    }
  return { prediction: y, radius: Math.min(round1, ...round2) - 1 }
}

/** Encoder groups: a video takes all votes of one group, a label one vote. */
function encoderGroups(votes, classes, blocks) {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const least = (sumsOf) =>
    Math.min(
      ...rivalsOf(counts, prediction, 1).map((c) => {
        const worths = votes.map((v) => worth(v, prediction, c))
        return fewest(sumsOf(worths), gapOf(counts, prediction, c))
      }),
    ) - 1
  const radius = least((worths) => blocks.map((block) => block.reduce((sum, i) => sum + worths[i], 0)))
  return { prediction, radius, labelRadius: least((worths) => worths) }
}

/** Temporal aggregation: a poisoned stretch takes neighboring learners. */
function temporal(votes, classes, coverage) {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  let [earliness, width] = [votes.length, votes.length]
  for (const c of rivalsOf(counts, prediction, 1)) {
    const gap = gapOf(counts, prediction, c)
    const sumOf = (from, to) => votes.slice(from, to).reduce((sum, v) => sum + worth(v, prediction, c), 0)
    while (earliness > 0 && sumOf(votes.length - earliness) >= gap) earliness--
    while (width > 0 && range(votes.length - width + 1).some((from) => sumOf(from, from + width) >= gap)) width--
  }
  return { prediction, radius: Math.max(0, width - coverage + 1), earliness }
}

/** White-box label flips. Costs: [learners][classes + 1] flips to each class, then to leave the vote. */
function labelFlips(votes, classes, costs, { samples, largestUnit }) {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const flips = range(classes).filter((c) => c !== prediction).map((c) => {
    const gap = gapOf(counts, prediction, c)
    const best = [0, ...new Array(gap).fill(Number.POSITIVE_INFINITY)] // [steps] fewest flips
    for (const [i, vote] of votes.entries()) {
      const [become, leave] = [costs[i][c], costs[i][classes]]
      const one = vote === prediction ? leave : vote === c ? Number.POSITIVE_INFINITY : become
      const two = vote === prediction ? become : Number.POSITIVE_INFINITY
      for (let g = gap; g > 0; g--)
        best[g] = Math.min(best[g], best[g - 1] + one, best[Math.max(0, g - 2)] + two)
    }
    return Math.min(samples, best[gap] - 1)
  })
  const inside = Math.floor(Math.min(...flips) / largestUnit)
  return { prediction, radius: Math.max(inside, aggregate(votes, classes, [0]).radius) }
}

/** A NumPy file as [first axis][...] nested arrays, with its SHA-256. */
function readNpy(file) {
  const bytes = readFileSync(file)
  const header = bytes.toString('latin1', 10, 10 + bytes.readUInt16LE(8))
  const type = /'descr': '[<|](u1|u2|u4|f4)'/.exec(header)?.[1]
  if (type === undefined || !header.includes("'fortran_order': False")) throw new Error(`${file}: another kind of array`)
  const shape = /\(([^)]*)\)/.exec(header)[1].split(',').filter((size) => size.trim() !== '').map(Number)
  const size = Number(type[1])
  const read = { u1: 'readUInt8', u2: 'readUInt16LE', u4: 'readUInt32LE', f4: 'readFloatLE' }[type]
  let at = 10 + bytes.readUInt16LE(8)
  if (bytes.length - at !== size * shape.reduce((a, b) => a * b, 1)) throw new Error(`${file}: another size than its shape`)
  const build = (axis) =>
    range(shape[axis]).map(() => {
      if (axis < shape.length - 1) return build(axis + 1)
      at += size
      return bytes[read](at - size)
    })
  return { values: build(0), sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** The value of JSON in which no object has a name twice: programs differ in which value they take. */
function parse(text) {
  const value = JSON.parse(text)
  const open = []
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (colon !== undefined) {
      const name = JSON.parse(string)
      if (open.at(-1).has(name)) throw new Error(`an object has the name ${name} twice`)
      open.at(-1).add(name)
    }
  }
  return value
}

/** Whether a ballot is a class, or all classes in an order, or no vote. */
function isBallot(ballot, classes) {
  if (!Array.isArray(ballot)) return ballot <= classes
  if (ballot[0] === classes) return ballot.every((rank) => rank === classes)
  return ballot.length === classes && new Set(ballot).size === classes && Math.max(...ballot) < classes
}

/** Names of what a run states and this program does not recompute. */
function notChecked(run, found) {
  const fields = ['collective', 'targeted', 'exactRadii', 'earliness', 'baseAccuracy']
  const stated = [...run.inputs.flatMap(Object.keys), ...fields.filter((field) => (run[field] ?? null) !== null)]
  return [...new Set(stated)].filter((field) => fields.includes(field) || !['id', 'label', ...found].includes(field)).sort()
}

/** What is wrong in one run (or imported certificate); an empty list where everything holds. */
function checkRun(run, name, classes, folder, say) {
  const rule = run.rule.rule ?? run.rule
  const given = run.rule.offsets ?? run.offsets ?? []
  const offsets = given.length > 0 ? given : [0]
  if (!run.ballots || !run.inputs) return [`${name}: NOT VERIFIED, no votes or inputs`]
  const wrong = []
  const compare = (field, stated, found) => {
    if (stated !== found) wrong.push(`${name}: ${field}: stated ${stated}, recomputed ${found}`)
  }
  const ballots = readNpy(path.join(folder, path.basename(run.ballots.file)))
  const flips = run.flips ? readNpy(path.join(folder, path.basename(run.flips.file))) : null
  compare('sha256 of votes', run.ballots.sha256, ballots.sha256)
  if (flips) compare('sha256 of flips', run.flips.sha256, flips.sha256)
  compare('number of inputs', run.inputs.length, ballots.values.length)
  compare('learners of the votes', run.ballots.learners, run.learners)
  compare('classes of the votes', run.ballots.classes, classes)
  if (run.partitions !== undefined) compare('learners', run.learners, run.partitions * run.spread)
  if (!['fa', 'fa_exact', 'roe_fa', 'temporal'].includes(rule)) compare('offsets', offsets.join(), '0')
  const fits = (row, size) => row.length === size && !row.some((ballot) => Array.isArray(ballot) !== Array.isArray(row[0]))
  const unfit = ballots.values.some((row) => !fits(row, run.learners) || !row.every((ballot) => isBallot(ballot, classes)))
  if (unfit || offsets.some((s) => !(Number.isInteger(s) && s >= 0 && s < run.learners)))
    return [...wrong, `${name}: its votes are no ballots of ${run.learners} learners and ${classes} classes`]
  if (rule.startsWith('roe') && !Array.isArray(ballots.values[0][0]))
    return [...wrong, `${name}: a run-off needs all ranks of each ballot`]
  const areCosts = (row) => row.length === classes + 1 && row.every((cost) => cost >= 0)
  if (flips && !flips.values.every((row) => row.length === run.learners && row.every(areCosts)))
    return [...wrong, `${name}: its flips are no costs of ${run.learners} learners and ${classes} classes`]
  let right = []
  let checked = []
  for (const [t, input] of run.inputs.entries()) {
    const rankings = ballots.values[t] ?? []
    const votes = rankings.map((ballot) => (Array.isArray(ballot) ? ballot[0] : ballot))
    const members = range(run.groups ?? run.rule.groups ?? 1)
    const share = votes.length / members.length
    const blocks = members.map((g) => range(share).map((i) => g * share + i))
    const found = {
      dpa: () => aggregate(votes, classes, [0]),
      fa: () => aggregate(votes, classes, offsets),
      fa_exact: () => {
        const least = aggregate(votes, classes, offsets)
        const most = greedyAttack(votes, classes, offsets) - 1
        return Number.isInteger(input.radius)
          ? { ...least, radius: Math.max(least.radius, Math.min(most, input.radius)) }
          : least
      },
      roe: () => runOff(rankings, classes, offsets, true),
      roe_fa: () => runOff(rankings, classes, offsets, false),
      groups: () => encoderGroups(votes, classes, blocks),
      temporal: () => temporal(votes, classes, run.periods?.coverage ?? run.rule.coverage),
      dpa_white_box: () => labelFlips(votes, classes, flips.values[t], run.flips),
    }[rule]()
    found.abstentions = votes.filter((vote) => vote === classes).length
    for (const [field, value] of Object.entries(found)) compare(`input ${input.id}: ${field}`, input[field], value)
    checked = Object.keys(found)
    if (input.label !== null) right.push(found.prediction === input.label ? found.radius : -1)
  }
  right = right.sort((a, b) => a - b)
  const atLeast = (r) => right.filter((radius) => radius >= r).length / right.length
  if (run.summary !== null) {
    compare('cleanAccuracy', run.summary.cleanAccuracy, atLeast(0))
    for (const [r, share] of run.summary.certifiedAccuracy.entries()) compare(`accuracy at ${r}`, share, atLeast(r))
    compare('accuracy beyond the largest radius', 0, atLeast(run.summary.certifiedAccuracy.length))
    const halves = run.summary.certifiedAccuracy.filter((share) => 2 * share >= 1).length
    compare('medianRadius', run.summary.medianRadius, halves > 0 ? halves - 1 : null)
    const mean = right.reduce((sum, radius) => sum + Math.max(0, radius), 0) / right.length
    compare('averageCertifiedRadius', run.summary.averageCertifiedRadius, mean)
  }
  const note = rule === 'fa_exact' ? ' (radii between two bounds)' : ''
  const others = notChecked(run, checked).join(', ')
  say(`${name}: ${run.inputs.length} inputs, ${wrong.length} differences${note}; not checked: ${others}`)
  return wrong
}

/** Checks a certificate file. @returns what is wrong */
export function verify(file, say = () => {}) {
  const certificate = parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file)))
  const folder = path.dirname(file)
  if (certificate.runs === undefined)
    return checkRun(certificate, certificate.rule.rule, certificate.classNames?.length || certificate.ballots?.classes, folder, say)
  const classes = certificate.classNames.length
  return certificate.runs.flatMap((run) => checkRun(run, `${run.rule} K=${run.partitions}`, classes, folder, say))
}

/** Checks the rules of this program against test vectors. @returns what is wrong, and how many entries were checked */
export function checkVectors(vectors) {
  const wrong = []
  let entries = 0
  const both = (section) => [...(vectors[section]?.small ?? []), ...(vectors[section]?.large ?? [])]
  const check = (entry, found, stated) => {
    entries++
    for (const [field, value] of Object.entries(stated))
      if (found[field] !== value) wrong.push(`${entry.id}: ${field}: ${value}, found ${found[field]}`)
  }
  const radius = (entry) => ({ prediction: entry.prediction, radius: entry.radius })
  for (const entry of both('dpa')) check(entry, aggregate(entry.votes, entry.C, [0]), radius(entry))
  for (const entry of both('fa')) check(entry, aggregate(entry.votes, entry.C, entry.shifts), radius(entry))
  for (const entry of both('roe_dpa')) check(entry, runOff(entry.ballots, entry.C, [0], true), radius(entry))
  for (const entry of both('roe_fa')) check(entry, runOff(entry.ballots, entry.C, entry.shifts, false), radius(entry))
  for (const entry of vectors.temporal ?? []) {
    const { prediction, earliness, duration } = entry
    check(entry, temporal(entry.votes, entry.C, entry.coverage), { prediction, earliness, radius: duration })
  }
  for (const entry of vectors.shared_encoder_blocks ?? []) {
    const found = encoderGroups(entry.votes, entry.C, entry.blocks)
    check(entry, found, { prediction: entry.prediction })
    for (const [budget, certified] of Object.entries(entry.certified)) {
      const [videos, labels] = [...budget.matchAll(/\d+/g)].map(Number)
      if (labels === 0) check(entry, { [budget]: videos <= found.radius }, { [budget]: certified })
      if (videos === 0) check(entry, { [budget]: labels <= found.labelRadius }, { [budget]: certified })
    }
  }
  return { wrong, entries }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const files = process.argv.slice(2)
  const checks =
    files[0] === '--vectors'
      ? [[files[1], () => checkVectors(JSON.parse(readFileSync(files[1], 'utf8'))).wrong]]
      : files.map((file) => [file, () => verify(file, console.log)])
  if (checks.length === 0) throw new Error('Name at least one certificate.')
  for (const [file, check] of checks) {
    const wrong = check()
    for (const line of wrong.slice(0, 20)) console.log(line)
    console.log(`${file}: ${wrong.length === 0 ? 'everything that was checked holds' : `${wrong.length} DIFFERENCES`}`)
    if (wrong.length > 0) process.exitCode = 1
  }
}
