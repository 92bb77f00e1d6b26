"""When a file's answers may be trusted: rules fitted on what it says itself of val, and what they come to on test."""

from collections.abc import Sequence

import numpy as np

from convert import model_file
from convert.candidate import Validation
from convert.source import Source
from edge.decide import decide
from edge.mahalanobis import Distance
from edge.model import Model
from train import data
from train.evaluation import selective

_LEARNED = 2000  # training pictures whose features say what is usual
_RIDGE = 1e-3  # of the mean variance: features that hardly vary, or not at all, must not decide alone


def decision(validation: Validation, graph: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """-> a contract's "decision", and edge.mahalanobis's arrays of training pictures; none where no features are shown."""
    source = validation.source
    kinds, features = validation.seen(graph, validation.crops)
    distances, arrays = np.zeros(len(kinds)), dict[str, np.ndarray]()
    if features.shape[1]:
        examples, pictures = validation.training(_LEARNED)
        arrays = spread(validation.seen(graph, pictures)[1], [e.kind or e.label for e in examples])
        ruler = Distance(arrays)
        distances = np.array([ruler.of(each) for each in features])
    return selective.rules(validation.truth, kinds, distances, source.labels, source.kinds), arrays


def spread(features: np.ndarray, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Where training cells' features lie, and how they spread: float [n, m] of cells whose kinds these are -> "whiten"
    float16 [m, m] and "means" float16 [kinds, m], whitened.
    """
    names = np.array(kinds)
    means = np.stack([features[names == name].mean(axis=0) for name in sorted(set(kinds))]).astype(np.float64)
    own = means[np.unique(names, return_inverse=True)[1]]
    covariance = np.cov((features - own).T.astype(np.float64), bias=True)
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-12))).astype(np.float16)
    return {"whiten": whiten, "means": (means @ whiten.astype(np.float64)).astype(np.float16)}


def proof(source: Source, content: bytes) -> dict:
    """train.evaluation.selective.figures() of the file itself on the test split -> {risk: {"all" or a source: figures}}."""
    examples, crops = source.split("test")
    truth, names = data.targets(examples, source.labels), np.array([e.source for e in examples])
    groups = {"all": np.full(len(names), True)} | {name: names == name for name in sorted(set(names))}
    with model_file.opened(content, Model) as model:
        seen = [model.predict(crop) for crop in crops]
        result: dict[str, dict] = {}
        for risk in model.risks:
            rules = model.rules(risk)
            told = np.array([decide(each.kinds, rules, distance=each.distance).label for each in seen])
            result[f"{risk:g}"] = {
                name: selective.figures(truth[rows], list(told[rows]), source.labels) for name, rows in groups.items()
            }
    return result
