/** Edit distance (Damerau-Levenshtein, adjacent swaps count once). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** The candidate a typing error most likely meant, or null where none is near. */
export function nearestKey(key: string, candidates: readonly string[]): string | null {
  let nearest: string | null = null
  let smallest = Math.max(2, Math.ceil(key.length * 0.4)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase())
    if (distance < smallest) {
      smallest = distance
      nearest = candidate
    }
  }
  return nearest
}

/** The candidates that are nearest to a name, the nearest first: those within reach of a typing error, or else the first ones. */
export function nearestNames(name: string, candidates: readonly string[], count: number): string[] {
  const limit = Math.max(2, Math.ceil(name.length * 0.4))
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .map(({ candidate }) => candidate)
  return (near.length > 0 ? near : candidates).slice(0, count)
}
