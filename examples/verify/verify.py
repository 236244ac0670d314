"""A second, independent check of a certificate: recomputes predictions and radii from the stored votes. Needs NumPy only.

    python verify.py certificate.json ...        also imported-certificate-RULE.json
    python verify.py --vectors vectors.json      checks this program against test vectors

Checked: prediction, radius, labelRadius, earliness, abstentions, accuracies, median and mean radius, sizes, order and SHA-256 of the
votes. Of rule fa_exact: that the radius is between the published bound and a greedy attack. What else a run states is named as not checked:
rivals, targets, collective bounds and so on. Buckets and the claim are not checked either.
"""
import hashlib
import json
import os
import sys

import numpy as np

INFINITE = float("inf")


def tally(votes, classes):
    """Votes per class; the value `classes` is no vote."""
    return np.bincount(votes, minlength=classes + 1)[:classes]


def gap_of(counts, a, b):
    """What an attack has to take off the lead of a over b: ties go to the smaller class."""
    return int(counts[a]) - int(counts[b]) + (1 if b > a else 0)


def rivals_of(counts, winner, alike):
    """Rivals that differ: classes without votes on one side of the winner are all alike."""
    unvoted, rivals = [0, 0], []
    for c in range(len(counts)):
        if c == winner:
            continue
        if counts[c] == 0:
            unvoted[int(c > winner)] += 1
        if counts[c] > 0 or unvoted[int(c > winner)] <= alike:
            rivals.append(c)
    return rivals


def worth(votes, a, b):
    """[learners] what capturing each takes off the lead of a over b."""
    return 1 + (votes == a).astype(int) - (votes == b).astype(int)


def powers_of(worths, offsets):
    """[buckets] the worth of all learners (j + offset) mod n that bucket j reaches."""
    return sum(np.roll(worths, -s) for s in offsets)


def fewest(powers, gap):
    """Fewest of the largest powers that reach the gap."""
    if gap <= 0:
        return 0
    sums = np.cumsum(np.sort(powers)[::-1])
    return int(np.argmax(sums >= gap)) + 1 if sums[-1] >= gap else INFINITE


def aggregate(votes, classes, offsets):
    """DPA (offsets [0]) and Finite Aggregation."""
    counts = tally(votes, classes)
    winner = int(np.argmax(counts))
    cost = min(fewest(powers_of(worth(votes, winner, c), offsets), gap_of(counts, winner, c)) for c in rivals_of(counts, winner, 1))
    return {"prediction": winner, "radius": cost - 1}


def greedy_attack(votes, classes, offsets):
    """Buckets that a greedy attack needs: the exact radius is below."""
    counts = tally(votes, classes)
    winner, costs = int(np.argmax(counts)), []
    for c in rivals_of(counts, winner, 1):
        worths, gap, buckets = worth(votes, winner, c), gap_of(counts, winner, c), 0
        while gap > 0:
            powers = powers_of(worths, offsets)
            j = int(np.argmax(powers))
            gap -= powers[j]
            worths[[(j + s) % len(worths) for s in offsets]] = 0
            buckets += 1
        costs.append(buckets)
    return min(costs)


def run_off(rankings, classes, offsets, disjoint):
    """Run-Off Election. `disjoint`: the closed form of DPA+ROE, else summed bucket powers."""
    votes = rankings[:, 0]
    counts = tally(votes, classes)
    first = int(np.argmax(counts))
    second = int(np.argmax(np.where(np.arange(classes) == first, -1, counts)))
    cast = votes < classes
    place = np.zeros((len(votes), classes), int)  # [learners, classes] rank of each class
    place[cast] = np.argsort(rankings[cast], axis=1)

    def final_worths(y, c):
        return np.where(cast, np.where(place[:, y] < place[:, c], 2, 0), 1)

    def final_gap(y, c):
        return int((final_worths(y, c) - 1).sum()) + (1 if c > y else 0)

    def close(worths, gap):
        return -(-max(0, gap) // 2) if disjoint else fewest(powers_of(worths, offsets), gap)

    y, s = (first, second) if final_gap(first, second) > 0 else (second, first)
    costs = []
    for c in range(classes):
        if c != y:
            arrive = 0 if c == s else close(worth(votes, s, c), gap_of(counts, s, c))
            costs.append(max(arrive, close(final_worths(y, c), final_gap(y, c))))
    rivals = rivals_of(counts, y, 2)
    gaps = {c: gap_of(counts, y, c) for c in rivals}
    alone = {c: close(worth(votes, y, c), gaps[c]) for c in rivals}
    for i, a in enumerate(rivals):
        for b in rivals[i + 1 :]:
            if disjoint:
                both = -(-(max(0, gaps[a]) + max(0, gaps[b])) // 3)
            else:
                worths = 1 + 2 * (votes == y).astype(int) - (votes == a) - (votes == b)
                both = fewest(powers_of(worths, offsets), gaps[a] + gaps[b])
            costs.append(max(alone[a], alone[b], both))
    return {"prediction": y, "radius": min(costs) - 1}


def encoder_groups(votes, classes, blocks):
    """Encoder groups: a video takes all votes of one group, a label one vote."""
    counts = tally(votes, classes)
    winner = int(np.argmax(counts))
    videos, labels = [], []
    for c in rivals_of(counts, winner, 1):
        worths, gap = worth(votes, winner, c), gap_of(counts, winner, c)
        videos.append(fewest(np.array([worths[block].sum() for block in blocks]), gap))
        labels.append(fewest(worths, gap))
    return {"prediction": winner, "radius": min(videos) - 1, "labelRadius": min(labels) - 1}


def temporal(votes, classes, coverage):
    """Temporal aggregation: a poisoned stretch takes neighboring learners."""
    counts = tally(votes, classes)
    n, winner = len(votes), int(np.argmax(counts))
    earliness = width = n
    for c in rivals_of(counts, winner, 1):
        sums, gap = np.concatenate([[0], np.cumsum(worth(votes, winner, c))]), gap_of(counts, winner, c)
        while earliness > 0 and sums[n] - sums[n - earliness] >= gap:
            earliness -= 1
        while width > 0 and (sums[width:] - sums[: n + 1 - width]).max() >= gap:
            width -= 1
    return {"prediction": winner, "radius": max(0, width - coverage + 1), "earliness": earliness}


def label_flips(votes, classes, costs, samples, largest_unit):
    """White-box label flips. Costs: [learners, classes + 1] flips to each class, then to leave the vote."""
    counts = tally(votes, classes)
    winner, inside = int(np.argmax(counts)), INFINITE
    for c in range(classes):
        if c == winner:
            continue
        gap = gap_of(counts, winner, c)
        best = np.array([0] + [INFINITE] * gap)  # [steps] fewest flips
        for vote, cost in zip(votes, costs):
            one = cost[classes] if vote == winner else INFINITE if vote == c else cost[c]
            two = cost[c] if vote == winner else INFINITE
            last_two = np.concatenate([[0, 0], best[:-2]])[: gap + 1]
            best[1:] = np.minimum(best[1:], np.minimum(best[:-1] + one, last_two[1:] + two))
        inside = min(inside, samples, best[gap] - 1)
    outside = aggregate(votes, classes, [0])
    return {**outside, "radius": max(int(inside // largest_unit), outside["radius"])}


def unique(pairs):
    """An object of JSON that has no name twice: programs differ in which value they take."""
    names = [name for name, _ in pairs]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ValueError(f"an object has the name {repeated!r} twice")
    return dict(pairs)


def are_ballots(ballots, learners, classes):
    """[inputs, learners] classes, or [inputs, learners, classes] all classes in an order; `classes` everywhere is no vote."""
    if ballots.dtype not in (np.uint8, np.uint16, np.uint32) or ballots.shape[1:] not in ((learners,), (learners, classes)):
        return False
    if ballots.ndim == 2:
        return bool((ballots <= classes).all())
    cast = ballots[ballots[:, :, 0] != classes]
    ordered = (np.sort(cast, axis=1) == np.arange(classes)).all()
    return bool(ordered and (ballots[ballots[:, :, 0] == classes] == classes).all())


def not_checked(run, found):
    """Names of what a run states and this program does not recompute."""
    named = {field for stated in run["inputs"] for field in stated} - {"id", "label"} - set(found)
    fields = ("collective", "targeted", "exactRadii", "earliness", "baseAccuracy")
    return sorted(named | {field for field in fields if run.get(field) is not None})


def check_run(run, name, classes, folder):
    """What is wrong in one run (or imported certificate); an empty list where everything holds."""
    if not run.get("ballots") or not run.get("inputs"):
        return [f"{name}: NOT VERIFIED, no votes or inputs"]
    if not {"inputs", "learners", "classes"} <= run["ballots"].keys():
        return [f"{name}: NOT VERIFIED, the votes have no sizes"]
    options = run["rule"] if isinstance(run["rule"], dict) else run
    rule, offsets, wrong = options["rule"], options.get("offsets") or [0], []

    def compare(field, stated, found):
        if stated != found or isinstance(stated, bool):
            wrong.append(f"{name}: {field}: stated {stated}, recomputed {found}")

    def read(stored):
        file = os.path.join(folder, os.path.basename(stored["file"]))
        with open(file, "rb") as content:
            compare(f"sha256 of {stored['file']}", stored["sha256"], hashlib.sha256(content.read()).hexdigest())
        return np.load(file, allow_pickle=False)

    ballots, flips = read(run["ballots"]), run.get("flips")
    costs = read(flips) if flips else None
    coverage = (run.get("periods") or options).get("coverage")
    compare("number of inputs", len(run["inputs"]), len(ballots))
    compare("learners of the votes", run["ballots"]["learners"], run["learners"])
    compare("classes of the votes", run["ballots"]["classes"], classes)
    if "partitions" in run:
        compare("learners", run["learners"], run["partitions"] * run["spread"])
    if rule not in ("fa", "fa_exact", "roe_fa", "temporal"):
        compare("offsets", offsets, [0])
    if not are_ballots(ballots, run["learners"], classes) or any(not 0 <= s < run["learners"] for s in offsets):
        return [*wrong, f"{name}: its votes are no ballots of {run['learners']} learners and {classes} classes"]
    if rule in ("roe", "roe_fa") and ballots.ndim == 2:
        return [*wrong, f"{name}: a run-off needs all ranks of each ballot"]
    if flips and (costs.shape != (*ballots.shape[:2], classes + 1) or not (costs >= 0).all()):
        return [*wrong, f"{name}: its flips are no costs of {run['learners']} learners and {classes} classes"]
    right, found = [], {}
    for t, (stated, rankings) in enumerate(zip(run["inputs"], ballots.astype(int))):
        votes = rankings if rankings.ndim == 1 else rankings[:, 0]
        if rule == "fa_exact":
            found = aggregate(votes, classes, offsets)
            most = greedy_attack(votes, classes, offsets) - 1
            if isinstance(stated["radius"], int):
                found["radius"] = max(found["radius"], min(most, stated["radius"]))
        elif rule in ("roe", "roe_fa"):
            found = run_off(rankings, classes, offsets, rule == "roe")
        elif rule == "groups":
            found = encoder_groups(votes, classes, np.arange(len(votes)).reshape(options["groups"], -1))
        elif rule == "temporal":
            found = temporal(votes, classes, coverage)
        elif rule == "dpa_white_box":
            found = label_flips(votes, classes, costs[t].astype(float), flips["samples"], flips["largestUnit"])
        else:
            found = aggregate(votes, classes, offsets if rule == "fa" else [0])
        found["abstentions"] = int((votes == classes).sum())
        for field, value in found.items():
            compare(f"input {stated['id']}: {field}", stated.get(field), value)
        if stated["label"] is not None:
            right.append(found["radius"] if found["prediction"] == stated["label"] else -1)
    at_least = lambda r: sum(radius >= r for radius in right) / len(right)
    if run["summary"] is not None:
        curve = run["summary"]["certifiedAccuracy"]
        compare("cleanAccuracy", run["summary"]["cleanAccuracy"], at_least(0))
        compare("certifiedAccuracy", curve, [at_least(r) for r in range(len(curve))])
        compare("accuracy beyond the largest radius", 0, at_least(len(curve)))
        halves = sum(2 * share >= 1 for share in curve)
        compare("medianRadius", run["summary"]["medianRadius"], halves - 1 if halves > 0 else None)
        compare("averageCertifiedRadius", run["summary"]["averageCertifiedRadius"], sum(max(0, radius) for radius in right) / len(right))
    note = " (radii between two bounds)" if rule == "fa_exact" else ""
    print(f"{name}: {len(run['inputs'])} inputs, {len(wrong)} differences{note}; not checked: {', '.join(not_checked(run, found))}")
    return wrong


def verify(file):
    with open(file, encoding="utf-8") as text:
        certificate = json.load(text, object_pairs_hook=unique)
    folder = os.path.dirname(file)
    if "runs" not in certificate:
        classes = len(certificate["classNames"] or []) or (certificate.get("ballots") or {}).get("classes")
        return check_run(certificate, certificate["rule"]["rule"], classes, folder)
    classes, runs = len(certificate["classNames"]), certificate["runs"]
    return [line for run in runs for line in check_run(run, f"{run['rule']} K={run['partitions']}", classes, folder)]


def check_vectors(file):
    """Checks the rules of this program against test vectors."""
    with open(file, encoding="utf-8") as text:
        vectors = json.load(text)
    wrong = []

    def check(entry, found, stated):
        wrong.extend(f"{entry['id']}: {f}: {v}, found {found[f]}" for f, v in stated.items() if found[f] != v)

    for section in ("dpa", "fa", "roe_dpa", "roe_fa"):
        for entry in vectors[section].get("small", []) + vectors[section].get("large", []):
            offsets = entry.get("shifts", [0])
            if section in ("dpa", "fa"):
                found = aggregate(np.array(entry["votes"]), entry["C"], offsets)
            else:
                found = run_off(np.array(entry["ballots"]), entry["C"], offsets, section == "roe_dpa")
            check(entry, found, {"prediction": entry["prediction"], "radius": entry["radius"]})
    for entry in vectors.get("temporal", []):
        found = temporal(np.array(entry["votes"]), entry["C"], entry["coverage"])
        check(entry, found, {"prediction": entry["prediction"], "earliness": entry["earliness"], "radius": entry["duration"]})
    for entry in vectors.get("shared_encoder_blocks", []):
        found = encoder_groups(np.array(entry["votes"]), entry["C"], entry["blocks"])
        check(entry, found, {"prediction": entry["prediction"]})
        for budget, certified in entry["certified"].items():
            videos, labels = (int(part.split("=")[1]) for part in budget.split(","))
            if labels == 0:
                check(entry, {budget: videos <= found["radius"]}, {budget: certified})
            if videos == 0:
                check(entry, {budget: labels <= found["labelRadius"]}, {budget: certified})
    return wrong


if __name__ == "__main__":
    vectors, failed = sys.argv[1] == "--vectors", False
    for name in sys.argv[2:] if vectors else sys.argv[1:]:
        problems = check_vectors(name) if vectors else verify(name)
        for problem in problems[:20]:
            print(problem)
        print(f"{name}: " + ("everything that was checked holds" if not problems else f"{len(problems)} DIFFERENCES"))
        failed = failed or len(problems) > 0
    sys.exit(1 if failed else 0)
