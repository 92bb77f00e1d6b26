"""Answers against the truth -> figures with counts and intervals."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, roc_auc_score

from train import card
from train.data import OTHER


def metrics(truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> dict:
    """Figures of one set of pictures.

    truth: int [n]; probabilities: float [n, classes]. Recall and precision are shares of counts, with Wilson's 95 %
    interval (Wilson, JASA 1927). Balanced accuracy and AUROC are those of the cells that have a name, whatever else the
    network knows, so that they compare: balanced accuracy is the mean of their recalls, AUROC, where they are two, of
    the second against the first. "other_auroc": how well cells without a name are told from them.
    """
    table = confusion_matrix(truth, probabilities.argmax(axis=1), labels=range(len(labels)))
    classes: dict[str, dict] = {
        label: {
            "recall": share(table[i, i], table[i].sum()),
            "precision": share(table[i, i], table[:, i].sum()),
            "f1": _ratio(2 * table[i, i], table[i].sum() + table[:, i].sum()),
        }
        for i, label in enumerate(labels)
    }
    result = {
        "count": len(truth),
        "accuracy": share(int(table.trace()), len(truth)),
        "balanced_accuracy": float(np.mean([classes[labels[i]]["recall"]["value"] or 0.0 for i in named(labels)])),
        "classes": classes,
        "confusion": table.tolist(),
    }
    which, second, score = pair(truth, probabilities, labels)
    if 0 < second.sum() < len(second):
        result["auroc"] = float(roc_auc_score(second, score))
    if OTHER in labels and 0 < which.sum() < len(truth):
        result["other_auroc"] = float(roc_auc_score(~which, probabilities[:, labels.index(OTHER)]))
    return result


def named(labels: Sequence[str]) -> list[int]:
    """The classes that have a name."""
    return [i for i, label in enumerate(labels) if label != OTHER]


def pair(
    truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the cells of the two classes that have a name, k of n: (which they are, bool [n]; whether each is of the
    second, bool [k]; by what share of the two's probability it was called that, float [k]); k is 0 of more classes.
    """
    classes = named(labels)
    if len(classes) != 2:
        return np.zeros(len(truth), bool), np.zeros(0, bool), np.zeros(0)
    which = np.isin(truth, classes)
    first, second = (probabilities[which, i].astype(float) for i in classes)
    return which, truth[which] == classes[1], second / np.maximum(first + second, 1e-12)


def share(right: int, count: int) -> dict:
    """A share with its counts and Wilson's 95 % interval; value and interval are None of nothing."""
    if not count:
        return {"value": None, "right": 0, "count": 0, "low": None, "high": None}
    interval = binomtest(int(right), int(count)).proportion_ci(method="wilson")
    return {
        "value": float(right / count),
        "right": int(right),
        "count": int(count),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def by_source(truth: np.ndarray, probabilities: np.ndarray, sources: Sequence[str], labels: Sequence[str]) -> dict:
    """metrics() of everything ("all") and of each source."""
    names = np.array(sources)
    result = {"all": metrics(truth, probabilities, labels)}
    for name in sorted(set(sources)):
        result[name] = metrics(truth[names == name], probabilities[names == name], labels)
    return result


def table(results: dict) -> str:
    """by_source()'s figures as lines of text: monocyte recall, the rare class's, stands first."""
    lines = [f"{'':12}{'monocyte recall':>34}{'lymphocyte recall':>34}{'balanced acc.':>15}{'AUROC':>8}"]
    for name, result in results.items():
        cells = [card.share(result["classes"][label]["recall"]) for label in ("monocyte", "lymphocyte")]
        auroc = f"{result['auroc']:.3f}" if "auroc" in result else "-"
        lines.append(f"{name:12}{cells[0]:>34}{cells[1]:>34}{result['balanced_accuracy']:>15.3f}{auroc:>8}")
    return "\n".join(lines)
