"""Selective classification by a candidate: its rules, fitted on its answers to val, and their outcome on test."""

from collections.abc import Sequence

import numpy as np

from convert.candidate import Answers, Candidate, Pictures, Validation
from convert.model_file import Arrays
from edge.contract import Decision, Selective
from edge.decide import decide
from edge.mahalanobis import Distance
from edge.model import Model
from train.evaluation import selective

_LEARNED = 2000  # training pictures whose features show what is usual
_RIDGE = 1e-3  # of the mean variance, added to each feature's: features that hardly vary must not decide alone


def usual(validation: Validation, candidate: Candidate) -> Arrays:
    """Arrays of edge.mahalanobis from the candidate's features of training pictures; none if it shows no features."""
    if not candidate.val.features.shape[1]:
        return {}
    examples, crops = validation.training(_LEARNED)
    return spread(candidate.answers(crops).features, [e.kind or e.label for e in examples])


def spread(features: np.ndarray, kinds: Sequence[str]) -> Arrays:
    """Where the features of training cells lie, and how they spread.

    Args:
        features: float [n, m].
        kinds: of the n cells.

    Returns:
        "whiten", float16 [m, m], and "means", float16 [kinds, m], the whitened mean of each kind.
    """
    names = np.array(kinds)
    means = np.stack([features[names == name].mean(axis=0) for name in sorted(set(kinds))]).astype(np.float64)
    own = means[np.unique(names, return_inverse=True)[1]]
    covariance = np.cov((features - own).T.astype(np.float64), bias=True)
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-12))).astype(np.float16)
    return {"whiten": whiten, "means": (means @ whiten.astype(np.float64)).astype(np.float16)}


def distances(answers: Answers, usual: Arrays) -> np.ndarray:
    """Mahalanobis distances from the training cells, float [n]; 0 if `usual` is empty."""
    if not usual:
        return np.zeros(len(answers.kinds))
    measure = Distance(usual)
    return np.array([measure.of(each) for each in answers.features])


def decision(validation: Validation, candidate: Candidate, usual: Arrays) -> Decision:
    """How answers are to be made of the candidate's probabilities, fitted on val."""
    source, far = validation.source, distances(candidate.val, usual)
    return selective.decision(validation.val.truth, candidate.val.kinds, far, source.labels, source.kinds)


def proof(
    model: Model, decision: Decision, pictures: Pictures, answers: Answers, distances: np.ndarray
) -> dict[str, dict[str, Selective]]:
    """Coverage and risk on the test split, by stated risk, and by source or of "all".

    Args:
        model: the runner with the candidate's graph.
        decision: how answers are made.
        pictures: the test split.
        answers: the candidate's to these pictures.
        distances: of these pictures from the training cells, float [n].
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
