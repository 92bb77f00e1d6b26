"""Selective classification: fits a candidate's decision rules on the val split, and measures them on the test split."""

from collections.abc import Sequence

import numpy as np

from convert.candidate import Answers, Candidate, Pictures, Validation
from convert.model_file import Arrays
from edge.contract import Decision, Selective
from edge.decide import decide
from edge.mahalanobis import Distance
from edge.model import Model
from train.evaluation import selective

_LEARNED = 2000  # about how many training pictures are used to learn which features are usual
# This share of the mean variance is added to each feature's variance, so that nearly constant features don't dominate.
_RIDGE = 1e-3
_LEAST = 1e-8  # variance that is taken for that of a constant feature; with less, float16 overflows


def usual(validation: Validation, candidate: Candidate) -> Arrays:
    """Where the features of training cells lie, for edge.mahalanobis; empty if the candidate gives no features."""
    if not candidate.val.features.shape[1]:
        return {}
    examples, crops = validation.training(_LEARNED)
    home = [i for i, e in enumerate(examples) if e.source in validation.at_home]
    return spread(candidate.answers(crops[home]).features, [examples[i].kind or examples[i].label for i in home])


def spread(features: np.ndarray, kinds: Sequence[str]) -> Arrays:
    """Where the features of training cells lie, and how far they scatter.

    Args:
        features: m features of n cells, float [n, m].
        kinds: the kind of each cell, n names.

    Returns:
        The arrays of edge.mahalanobis: "whiten", float16 [m, m], and "means", the whitened mean of each kind, float16
        [kinds, m].
    """
    names = np.array(kinds)
    means = np.stack([features[names == name].mean(axis=0) for name in sorted(set(kinds))]).astype(np.float64)
    own = means[np.unique(names, return_inverse=True)[1]]
    covariance = np.cov((features - own).T.astype(np.float64), bias=True)
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whiten = (vectors / np.sqrt(np.maximum(values, _LEAST))).astype(np.float16)
    return {"whiten": whiten, "means": (means @ whiten.astype(np.float64)).astype(np.float16)}


def distances(answers: Answers, usual: Arrays) -> np.ndarray:
    """Mahalanobis distance of each answered cell from the training cells, float [n]; all 0 if `usual` is empty."""
    if not usual:
        return np.zeros(len(answers.kinds))
    measure = Distance(usual)
    return np.array([measure.of(each) for each in answers.features])


def decision(validation: Validation, candidate: Candidate, usual: Arrays) -> Decision:
    """The rules that turn the candidate's probabilities into answers, fitted on the val split."""
    source, far = validation.source, distances(candidate.val, usual)
    home = np.isin(validation.val.sources, list(validation.at_home))
    return selective.decision(
        validation.val.truth[home], candidate.val.kinds[home], far[home], source.labels, source.kinds
    )


def proof(
    model: Model, decision: Decision, pictures: Pictures, answers: Answers, distances: np.ndarray
) -> dict[str, dict[str, Selective]]:
    """Coverage and risk on the test split, by stated risk and source; "all" means all sources together.

    Args:
        model: the candidate's graph, opened.
        decision: the rules for answers.
        pictures: the test split.
        answers: the candidate's answers to these pictures.
        distances: distances of these pictures from the training cells, float [n].
    """
    sources = np.array(pictures.sources)
    groups = {"all": np.full(len(sources), True)} | {name: sources == name for name in sorted(set(sources))}
    result = {}
    for risk in sorted(map(float, decision.risks or {})):
        rules = model.rules(risk, decision)
        pairs = zip(answers.kinds, distances, strict=True)
        labels = np.array([decide(kinds, rules, distance=distance).label for kinds, distance in pairs])
        result[f"{risk:g}"] = {
            name: selective.figures(pictures.truth[rows], list(labels[rows]), model.labels)
            for name, rows in groups.items()
        }
    return result
