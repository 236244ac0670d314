"""Checks an implementation of certificates against vectors-1.jsonl (form: README.md).

    python check.py subject.py [--published]      subject.py defines certify(vector) -> {"prediction": ..., "radius": ..., ...}
    python check.py answers.json [--published]    {id: {"prediction": ..., "radius": ...}}, from a program in any language

Exits with 1 if a prediction is wrong or an attack can do more than an answer says, with --published also if an answer is weaker than the
bound of the published rule.
"""
import importlib.util
import json
import os
import sys

# The names of an answer, and the largest value that is true.
LIMITS = {"radius": "exact", "labelRadius": "exactLabelRadius", "earliness": "exactEarliness"}

INFINITE = float("inf")


def claims_of(answer, expected):
    """The claims of an answer: name, what it says, what is true, the published bound. None where an answer says nothing."""
    claims = [(name, answer.get(name), expected[limit], expected[name]) for name, limit in LIMITS.items() if name in expected]
    if "changed" in expected:
        claims.append(("changed", answer.get("changed"), expected["exactChanged"], expected["changed"]))
    # null: no attack is enough.
    infinite = lambda costs: [INFINITE if cost is None else cost for cost in costs]
    if "targets" in expected and answer.get("targets") is not None:
        costs = (answer["targets"], expected["exactTargets"], expected["targets"])
        claims += [(f"targets[{c}]", *each) for c, each in enumerate(zip(*map(infinite, costs)))]
    return claims


def check_conformance(vectors, certify):
    """What is wrong, unsound or loose, in one line each. `certify` returns None for a rule that it does not have."""
    report = {"wrong": [], "unsound": [], "loose": [], "tighter": 0, "answered": 0, "unanswered": 0}
    for vector in vectors:
        expected = vector["expected"]
        answer = certify({name: value for name, value in vector.items() if name != "expected"})
        if answer is None:
            report["unanswered"] += 1
            continue
        report["answered"] += 1
        if answer.get("prediction") != expected.get("prediction"):
            report["wrong"].append(f"{vector['id']}: prediction {answer.get('prediction')}, not {expected.get('prediction')}")
        for name, found, exact, published in claims_of(answer, expected):
            # An answer may leave out what is next to the radius.
            if found is None and name not in ("radius", "changed"):
                continue
            # A test set: no attack changes more predictions than that, so a larger number claims less.
            sign = -1 if name == "changed" else 1
            if isinstance(found, bool) or not (isinstance(found, int) or found == INFINITE) or found < 0:
                report["wrong"].append(f"{vector['id']}: {name} {found}")
            elif sign * found > sign * exact:
                report["unsound"].append(f"{vector['id']}: {name} {found}, but exhaustion finds {exact}")
            elif sign * found < sign * published:
                report["loose"].append(f"{vector['id']}: {name} {found}, published bound {published}")
            elif sign * found > sign * published:
                report["tighter"] += 1
    return report


def subject_of(file):
    if file.endswith(".json"):
        with open(file, encoding="utf-8") as text:
            answers = json.load(text)
        return lambda vector: answers.get(vector["id"])
    spec = importlib.util.spec_from_file_location("subject", file)
    subject = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(subject)
    return subject.certify


def main(file, published=None):
    if published not in (None, "--published"):
        raise SystemExit("usage: python check.py subject.py|answers.json [--published]")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors-1.jsonl"), encoding="utf-8") as text:
        header, *vectors = [json.loads(line) for line in text]
    if header["schema"] != "videomae.conformance/1":
        raise SystemExit(f"Expected schema videomae.conformance/1, but it is {header['schema']}.")
    report = check_conformance(vectors, subject_of(file))
    lines = report["wrong"] + [f"UNSOUND {line}" for line in report["unsound"]] + [f"loose {line}" for line in report["loose"]]
    for line in lines[:40]:
        print(line)
    wrong, unsound, loose = (len(report[name]) for name in ("wrong", "unsound", "loose"))
    print(f"{report['answered']} answered, {report['unanswered']} not: {wrong} wrong, {unsound} unsound, {loose} below and {report['tighter']} above the published bound")
    failed = report["answered"] == 0 or wrong + unsound > 0 or (published is not None and loose > 0)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
