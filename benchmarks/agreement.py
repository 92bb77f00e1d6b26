"""How well two methods agree that measure the same slides: bias, limits of agreement, intraclass correlation."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from train.evaluation.intervals import Estimate

_LIMITS = 1.96  # standard deviations: 95 % of normally distributed differences lie within


@dataclass(frozen=True)
class Agreement:
    """One method against a reference, on several slides.

    Attributes:
        slides: slides on which both methods give a value.
        bias: mean of method - reference, in their unit.
        limits: lower and upper limit of 95 % of the differences; None with less than two slides.
        icc: intraclass correlation of absolute agreement.
    """

    slides: int
    bias: Estimate
    limits: tuple[float, float] | None
    icc: Estimate


def agreement(method: np.ndarray, reference: np.ndarray) -> Agreement:
    """Compares two methods. method, reference: a value for each slide, float [n]; NaN where there is none.

    Source: limits of agreement, Bland and Altman, Lancet 327 (1986).
    """
    both = np.isfinite(method) & np.isfinite(reference)
    differences = (method - reference)[both]
    count = len(differences)
    if count < 2:
        mean = float(differences[0]) if count else None
        return Agreement(count, Estimate(mean, None, None), None, Estimate(None, None, None))
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * spread / count**0.5
    return Agreement(
        slides=count,
        bias=Estimate(mean, mean - half, mean + half),
        limits=(mean - _LIMITS * spread, mean + _LIMITS * spread),
        icc=icc(np.column_stack([method, reference])[both]),
    )


def icc(values: np.ndarray) -> Estimate:
    """The intraclass correlation of single measurements, two-way, with absolute agreement: ICC(A,1), or ICC(2,1).

    A bias of one method lowers it, and so does a narrow range of slides.

    Args:
        values: float [n, k]: n slides, at least 2, measured by k methods, at least 2.

    Returns:
        The correlation, 1 for equal values, with its 95 % interval; None if all values are the same.

    Source: McGraw and Wong, Psychological Methods 1 (1996), table 7; Shrout and Fleiss, Psychol. Bull. 86 (1979).
    """
    n, k = values.shape
    by_slide, by_method = values.mean(axis=1), values.mean(axis=0)
    slides = k * by_slide.var(ddof=1)  # the mean squares
    methods = n * by_method.var(ddof=1)
    rest = values - by_slide[:, np.newaxis] - by_method + values.mean()
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    total = slides + (k - 1) * error + k * (methods - error) / n
    if total <= 0:
        return Estimate(None, None, None)
    value = float((slides - error) / total)
    if value >= 1:
        return Estimate(1.0, 1.0, 1.0)
    a = k * value / (n * (1 - value))
    b = 1 + a * (n - 1)
    freedom = (a * methods + b * error) ** 2 / (
        (a * methods) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )  # Satterthwaite's
    scale = k * methods + (k * n - k - n) * error
    below, above = stats.f.ppf(0.975, n - 1, freedom), stats.f.ppf(0.975, freedom, n - 1)
    low = n * (slides - below * error) / (below * scale + n * slides)
    high = n * (above * slides - error) / (scale + n * above * slides)
    return Estimate(value, float(low), float(high))
