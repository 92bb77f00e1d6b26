"""Which class do the errors favour, and is it more than chance?"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import fisher_exact

from train.evaluation import evaluate

_SIGNIFICANT = 0.05


def bias(truth: np.ndarray, answers: np.ndarray, labels: Sequence[str]) -> dict:
    """The errors of one class against those of the other, of two.

    truth, answers: int [n], 0 or 1, one a cell. Numbers of errors alone would say which class is larger, so the
    classes' error rates are compared, by Fisher's exact test, two-sided (Fisher, JRSS 98, 1935): given as many errors
    in all, how likely are shares at least as far apart if every cell is as likely to be mistaken?
    -> {"favours": label or None, "p" or None where there is nothing to compare, "errors": {true label: share},
    "sentence"}.
    """
    wrong = truth != answers
    mistaken = [wrong[truth == i] for i in range(len(labels))]
    errors = {label: evaluate.share(m.sum(), len(m)) for label, m in zip(labels, mistaken, strict=True)}
    first, second = (errors[label] for label in labels)
    result: dict = {"favours": None, "p": None, "errors": errors}
    if not first["count"] or not second["count"]:
        missing = labels[0] if not first["count"] else labels[1]
        return result | {"sentence": f"Which class the errors favour can't be said: there are no {missing}s here."}
    if not wrong.any():
        told = " and ".join(f"{errors[label]['count']:,} {label}s" for label in labels)
        return result | {"sentence": f"There are no errors, so none favour a class: {told} are all told right."}
    table = [[s["right"], s["count"] - s["right"]] for s in (first, second)]
    result["p"] = p = float(fisher_exact(table).pvalue)
    meaning = "this is hardly chance" if p < _SIGNIFICANT else "this may be chance"
    order = [0, 1] if first["value"] >= second["value"] else [1, 0]
    more, less = (labels[i] for i in order)
    rates = f"{_rate(errors[more])} of {more}s are called {less} against {_rate(errors[less])} of {less}s called {more}"
    if first["value"] == second["value"]:
        return result | {"sentence": f"The errors favour neither class: {rates}."}
    result["favours"] = less
    return result | {"sentence": f"The errors favour {less}s: {rates}; Fisher's exact test p {_p(p)}, so {meaning}."}


def _rate(s: dict) -> str:
    return f"{100 * s['value']:.1f} % ({s['right']:,} of {s['count']:,})"


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"
