"""Votes of other systems as a file that `videomae certify --votes FILE.npy` reads. Needs NumPy only.

    from votes import from_art, from_models, save
    save("scores.npy", from_art(ensemble, x_test))                       # IBM's Adversarial Robustness Toolbox
    save("scores.npy", from_models([m.predict_proba for m in models], x_test))    # scikit-learn, Keras
    save("scores.npy", from_models(models, x_test))                      # PyTorch: modules that return logits [inputs, classes]

    videomae certify --votes scores.npy --kind scores --classes cat,dog

A file of votes is [inputs, learners] (class numbers, -1: no vote), one of scores is [inputs, learners, classes]. Learner i must be the one
that was trained on partition i.
"""
import numpy as np


def as_array(values):
    """NumPy arrays, lists, and tensors of PyTorch on any device."""
    for step in ("detach", "cpu", "numpy"):
        if hasattr(values, step):
            values = getattr(values, step)()
    return np.asarray(values)


def checked(scores, what):
    scores = as_array(scores)
    if scores.ndim != 3:
        raise ValueError(f"Expected {what} with three axes, but the shape is {scores.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError(f"Expected finite scores, but {what} have {np.count_nonzero(~np.isfinite(scores))} others.")
    return scores


def from_art(ensemble, inputs, **options):
    """Scores of a DeepPartitionEnsemble (or EnsembleClassifier): ART has [learners, inputs, classes] with raw=True.

    ART multiplies the scores of each learner by its weight. That changes no vote where all weights are positive.
    """
    weights = as_array(ensemble.classifier_weights)
    if not (weights > 0).all():
        raise ValueError(f"Expected positive classifier_weights, but they are {weights.tolist()}.")
    scores = checked(ensemble.predict(inputs, raw=True, **options), "predictions of learners")
    if len(scores) != len(weights) or scores.shape[1] != len(inputs):
        raise ValueError(f"Expected [{len(weights)} learners, {len(inputs)} inputs, classes], but the shape is {scores.shape}.")
    return np.ascontiguousarray(scores.transpose(1, 0, 2))


def from_models(models, inputs):
    """Scores of callables that turn inputs into [inputs, classes]: probabilities, logits or one-hot votes."""
    return checked(np.stack([as_array(model(inputs)) for model in models], axis=1), "predictions of learners")


def votes_of(scores):
    """[inputs, learners] the class with the largest score, ties to the smaller one. Rules without a run-off need no more."""
    return np.argmax(checked(scores, "scores"), axis=2)


def save(path, values):
    """Writes votes or scores; scores as float64, in which float32 and float16 keep every value."""
    values = as_array(values)
    np.save(path, values.astype(np.int32) if np.issubdtype(values.dtype, np.integer) else values.astype(np.float64), allow_pickle=False)
