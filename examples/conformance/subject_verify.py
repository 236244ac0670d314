"""The stand-alone verifier examples/verify/verify.py as a subject of check.py. NumPy only."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "verify"))
import verify  # noqa: E402

INFINITE = float("inf")


def ballots_of(vector):
    """[learners] votes and [learners, classes] rankings; the number of classes is no vote."""
    classes = vector["classes"]
    if "votes" in vector:
        return np.array([classes if vote < 0 else vote for vote in vector["votes"]]), None
    rankings = np.array([ranking or [classes] * classes for ranking in vector["rankings"]])
    return rankings[:, 0], rankings


def certify(vector):
    rule, classes = vector["rule"], vector["classes"]
    if rule == "collective":
        return None
    votes, rankings = ballots_of(vector)
    offsets = vector.get("offsets", [0])
    if rule in ("dpa", "fa"):
        return verify.aggregate(votes, classes, offsets)
    if rule in ("roe", "roe_fa"):
        return verify.run_off(rankings, classes, offsets, rule == "roe")
    if rule == "groups":
        return verify.encoder_groups(votes, classes, np.arange(len(votes)).reshape(vector["groups"], -1))
    if rule == "temporal":
        return verify.temporal(votes, classes, vector["coverage"])
    if rule == "dpa_white_box":
        costs = np.array([[INFINITE if cost is None else cost for cost in row] for row in vector["flips"]], float)
        return verify.label_flips(votes, classes, costs, vector["samples"], 1)
    return None  # fa_exact: the verifier has no search
