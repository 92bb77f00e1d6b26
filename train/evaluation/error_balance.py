"""Which class do the errors favour, and could that be chance?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

from edge.share import Share, share

_SIGNIFICANT = 0.05  # p value below which a difference is called unlikely to be chance


@dataclass(frozen=True)
class ErrorBalance:
    """The errors on two classes, compared.

    Attributes:
        favours: the class that gets too many answers, because the other one has the higher error rate; None if the
            rates are equal or unknown.
        p: p value of Fisher's exact test, two-sided, 0 to 1; None if there are no errors or a class is missing.
        errors: by true class, the proportion of its cells with a wrong answer.
        sentence: all of this in words.
    """

    favours: str | None
    p: float | None
    errors: dict[str, Share]
    sentence: str


def balance(truth: np.ndarray, answers: np.ndarray, labels: Sequence[str]) -> ErrorBalance:
    """Compares the error rates of two classes.

    Args:
        truth: index of the true class of each cell, int [n], 0 or 1.
        answers: index of the class that each cell is called, int [n], 0 or 1.
        labels: names of the two classes.

    Rates are compared, not numbers of errors, because a larger class has more errors anyway. The test asks: if cells
    of both classes were equally likely to get a wrong answer, how likely would a difference at least this large be?

    Source: Fisher's exact test, Fisher, JRSS 98 (1935).
    """
    wrong = truth != answers
    errors = {label: share(wrong[truth == i].sum(), (truth == i).sum()) for i, label in enumerate(labels)}
    first, second = (errors[label] for label in labels)
    if first.value is None or second.value is None:
        missing = labels[0] if first.value is None else labels[1]
        return ErrorBalance(None, None, errors, f"Which class the errors favour is unknown: there are no {missing}s.")
    if not wrong.any():
        counts = " and ".join(f"{errors[label].count:,} {label}s" for label in labels)
        return ErrorBalance(None, None, errors, f"There are no errors: all {counts} are answered right.")
    p = float(fisher_exact([[each.right, each.count - each.right] for each in (first, second)]).pvalue)
    more, less = labels if first.value >= second.value else reversed(labels)
    rates = f"{_rate(errors, more)} are called {less}, and {_rate(errors, less)} are called {more}"
    if first.value == second.value:
        return ErrorBalance(None, p, errors, f"The errors favour neither class: {rates}.")
    chance = "is unlikely to be chance" if p < _SIGNIFICANT else "may be chance"
    test = f"Fisher's exact test: p {'< 0.0001' if p < 1e-4 else f'= {p:.2g}'}"
    return ErrorBalance(less, p, errors, f"The errors favour {less}s: {rates}. This {chance} ({test}).")


def _rate(errors: dict[str, Share], label: str) -> str:
    """For example "3.1 % of lymphocytes (12 of 390)"."""
    wrong = errors[label]
    return f"{100 * (wrong.value or 0):.1f} % of {label}s ({wrong.right:,} of {wrong.count:,})"
