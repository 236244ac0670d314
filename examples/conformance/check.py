"""Checks an implementation of certificates against vectors-1.jsonl (form: README.md).

    python check.py subject.py [--published]      subject.py defines certify(vector) -> {"prediction": ..., "radius": ..., ...}
    python check.py answers.json [--published]    {id: {"prediction": ..., "radius": ...}}, from a program in any language

Exits with 1 if a prediction is wrong or a radius is larger than the exact one, with --published also if a radius is smaller than the
bound of the published rule.
"""
import importlib.util
import json
import os
import sys

# The names of an answer, and the largest value that is true.
LIMITS = {"radius": "exact", "labelRadius": "exactLabelRadius", "earliness": "exactEarliness"}


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
        if answer["prediction"] != expected["prediction"]:
            report["wrong"].append(f"{vector['id']}: prediction {answer['prediction']}, not {expected['prediction']}")
        for name, limit in LIMITS.items():
            # An answer may leave out what is beside the radius.
            if name not in expected or (name not in answer and name != "radius"):
                continue
            found = answer.get(name)
            if not isinstance(found, int) or isinstance(found, bool) or found < 0:
                report["wrong"].append(f"{vector['id']}: {name} {found}")
            elif found > expected[limit]:
                report["unsound"].append(f"{vector['id']}: {name} {found}, but {expected[limit] + 1} can change the prediction")
            elif found < expected[name]:
                report["loose"].append(f"{vector['id']}: {name} {found}, published bound {expected[name]}")
            elif found > expected[name]:
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
