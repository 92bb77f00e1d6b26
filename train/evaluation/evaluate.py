"""Answers against the truth -> figures with counts and intervals."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, roc_auc_score

from edge.decide import OTHER
from train.evaluation import model_card


def metrics(truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> dict:
    """Figures of one set of pictures.

    truth: int [n]; probabilities: float [n, classes]. Recall and precision are shares of counts, with Wilson's 95 %
    interval (Wilson, JASA 1927). Where OTHER is a label, all but "other" is about the cells that have a name, and which
    of the names is likelier, so that it compares with what a network says that knows no others. Balanced accuracy is
    the mean of their recalls, AUROC, where they are two, of the second against the first. "other": other()'s.
    """
    if OTHER in labels:
        which = truth < len(labels) - 1
        return metrics(truth[which], names_only(probabilities[which]), labels[:-1]) | {
            "other": other(truth, probabilities)
        }
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
        "balanced_accuracy": float(np.mean([each["recall"]["value"] or 0.0 for each in classes.values()])),
        "classes": classes,
        "confusion": table.tolist(),
    }
    if len(labels) == 2 and 0 < truth.sum() < len(truth):
        result["auroc"] = float(roc_auc_score(truth == 1, probabilities[:, 1]))
    return result


def names_only(probabilities: np.ndarray) -> np.ndarray:
    """float [n, labels], of which the last is OTHER -> the shares of the names among themselves, float64 [n, names]."""
    names = probabilities[:, :-1].astype(float)
    return (names + 1e-12) / (names + 1e-12).sum(axis=1, keepdims=True)


def other(truth: np.ndarray, probabilities: np.ndarray) -> dict:
    """What becomes of the cells of OTHER, the last of the labels: "recall", the share that is called that; "lost", the
    share of cells with a name that is; "auroc" between the two.

    truth: int [n]; probabilities: float [n, labels].
    """
    last = probabilities.shape[1] - 1
    which, called = truth == last, probabilities.argmax(axis=1) == last
    result: dict = {
        "recall": share(int(called[which].sum()), int(which.sum())),
        "lost": share(int(called[~which].sum()), int((~which).sum())),
    }
    if 0 < which.sum() < len(truth):
        result["auroc"] = float(roc_auc_score(which, probabilities[:, last]))
    return result


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
        cells = [model_card.share(result["classes"][label]["recall"]) for label in ("monocyte", "lymphocyte")]
        auroc = f"{result['auroc']:.3f}" if "auroc" in result else "-"
        lines.append(f"{name:12}{cells[0]:>34}{cells[1]:>34}{result['balanced_accuracy']:>15.3f}{auroc:>8}")
    return "\n".join(lines)
