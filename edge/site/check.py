"""Is a model fit for a site? Figures of the site's unlabelled and labelled cells, and a verdict with advice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from edge.decide import REVIEW, RISK, without_numbers
from edge.model import Model
from edge.share import Share
from edge.site.adapt import Adapted, adapt, alone
from edge.site.figures import SiteFigures, figures, recalls
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, SiteModel
from edge.system.progress import Progress, silent

GO, ADAPT, NO_GO = "go", "adapt", "no-go"
ENOUGH = 20  # physical cells of each name that a reliable verdict needs
MANY = 50  # physical cells of each name from which on more of them hardly make a better profile
_RECALL, _RISK, _COVERAGE = 0.9, 0.05, 0.5  # for GO: least recall of each name, largest risk, least coverage
_RANKED = 0.85  # AUROC of the two names: below this, no threshold tells them apart well enough
_FAR = 0.5  # share of cells too far from the training cells: above this, focus, light or stain are the likely cause
BINS = 15  # number of ranges of confidence


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of a figure over the cells.

    Attributes:
        low: 10 % of the cells lie below this.
        median: 50 % of the cells lie below this.
        high: 90 % of the cells lie below this.
    """

    low: float = field(metadata={"key": "10 %"})
    median: float = field(metadata={"key": "50 %"})
    high: float = field(metadata={"key": "90 %"})


@dataclass(frozen=True)
class Statistics:
    """What can be said about cells without their labels.

    Attributes:
        cells: number of pictures.
        distance: Mahalanobis distance from the training cells; 1 is usual.
        max_distance: a cell beyond this distance is unlike the training cells; None where the model has no such limit.
        beyond: share of cells beyond that limit, 0 to 1.
        confidence: median probability of the likeliest label, 0 to 1.
        review: share of cells left for review, 0 to 1.
        reasons: number of cells left for review by reason, the most frequent first.
        pictures: number of faulty pictures by fault, such as "out of focus".
        answers: number of cells by answer.
    """

    cells: int
    distance: Quantiles
    max_distance: float | None = field(metadata={"key": "limit"})
    beyond: float = field(metadata={"key": "far"})
    confidence: float = field(metadata={"key": "sure"})
    review: float
    reasons: dict[str, int]
    pictures: dict[str, int]
    answers: dict[str, int]


@dataclass(frozen=True)
class Judgement(SiteFigures):
    """How labelled cells are answered, and what follows.

    Attributes, besides those of SiteFigures:
        recall: by label, the share of its physical cells whose likeliest label is right, with the exact 95 % interval.
        auroc: AUROC of the second name against the first, 0 to 1; None where one of them has no cells.
        calibration_error: expected calibration error, 0 to 1.
        verdict: GO, ADAPT or NO_GO.
        why: the reason, as a part of a sentence.
        advice: what to do, as a part of a sentence.
    """

    recall: dict[str, Share]
    auroc: float | None
    calibration_error: float = field(metadata={"key": "ece"})
    verdict: str
    why: str
    advice: str = field(metadata={"key": "do"})


def statistics(cells: Cells, model: Model) -> Statistics:
    """The figures that need no labels. cells: n pictures, at least one; model: with or without a profile."""
    decisions = alone(cells, model)
    limit = model.rules(RISK).max_distance
    low, median, high = (round(float(x), 2) for x in np.quantile(cells.distance, [0.1, 0.5, 0.9]))
    review = [decision for decision in decisions if decision.label == REVIEW]
    return Statistics(
        cells=len(cells),
        distance=Quantiles(low, median, high),
        max_distance=limit if np.isfinite(limit) else None,
        beyond=round(float((cells.distance > limit).mean()), 4),
        confidence=round(float(np.median([max(d.probabilities.values()) for d in decisions])), 4),
        review=round(len(review) / len(cells), 4),
        reasons=dict(Counter(without_numbers(d.reason) for d in review).most_common()),
        pictures=dict(Counter(doubt for doubt in cells.doubts if doubt).most_common()),
        answers=dict(sorted(Counter(d.label for d in decisions).items())),
    )


def judge(cells: Cells, model: Model, progress: Progress = silent, adapted: Adapted | None = None) -> Judgement:
    """The figures of labelled cells, with the verdict.

    Args:
        cells: n pictures.
        model: with or without a profile.
        progress: see edge.system.progress; before an adaptation is advised, it is tried.
        adapted: the result of that adaptation, if it is known already.
    """
    decisions = alone(cells, model)
    probabilities = np.array([[d.probabilities[label] for label in model.labels] for d in decisions])
    found = Judgement(
        **vars(figures(decisions, cells.truth, model.labels)),
        recall=recalls(decisions, cells.truth, cells.physical, model.labels),
        auroc=_auroc(probabilities[cells.truth == 0], probabilities[cells.truth == 1]),
        calibration_error=round(calibration_error(cells.truth, probabilities), 4),
        verdict="",
        why="",
        advice="",
    )
    verdict, why, advice = _verdict(found, cells, model, lambda: adapted or adapt(cells, model, progress=progress))
    return replace(found, verdict=verdict, why=why, advice=advice)


def confidence_bins(confidence: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal ranges of confidence, open below and closed above, as in the paper that `calibration_error` names.

    Args:
        confidence: float [n], each 0 to 1.
        bins: number of ranges.

    Returns:
        The borders of the ranges, float64 [bins + 1], and the number of the range of each confidence, int [n].
    """
    edges = np.arange(bins + 1) / bins
    return edges, np.digitize(confidence, edges[1:-1], right=True)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1.

    It is the mean of |share of right answers - mean confidence| over ranges of confidence, weighted by their counts.

    Args:
        truth: int [n].
        probabilities: float [n, labels].
        bins: number of equal ranges of confidence.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    confidence, right = probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == truth
    _, place = confidence_bins(confidence, bins)
    gaps = [abs(float(right[place == i].sum() - confidence[place == i].sum())) for i in np.unique(place)]
    return sum(gaps) / len(truth)


def _auroc(first: np.ndarray, second: np.ndarray) -> float | None:
    """How often a cell of the second name has a higher probability of it than a cell of the first; a tie counts half.

    first, second: probabilities of the cells of each name, float [n, labels].
    Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947).
    """
    if not len(first) or not len(second):
        return None
    a, b = (each[:, 1] / np.maximum(each[:, :2].sum(axis=1), 1e-9) for each in (first, second))
    differences = b[:, None] - a[None, :]
    return round(float((differences > 0).mean() + (differences == 0).mean() / 2), 4)


def _verdict(found: Judgement, cells: Cells, model: Model, adaptation: Callable[[], Adapted]) -> tuple[str, str, str]:
    """The verdict (GO, ADAPT or NO_GO), the reason, and what to do. adaptation: tries one."""
    names = model.labels[:2]
    few = [f"{cells.count(i)} {name}s" for i, name in enumerate(names) if cells.count(i) < FEWEST]
    if few:
        why = f"{' and '.join(few)} are too few to judge by"
        return NO_GO, why, f"label at least {FEWEST} of each, better {ENOUGH}"
    worst = min(names, key=lambda name: found.recall[name].value or 0.0)
    recall = found.recall[worst]
    lowest, auroc = recall.value or 0.0, found.auroc or 0.0
    coverage, risk = found.coverage or 0.0, found.risk or 0.0
    text = f"{recall.right} of {recall.count} {worst}s are found (95 % interval: {recall.low:.2f} to {recall.high:.2f})"
    given = f"{coverage:.0%} of {names[0]}s and {names[1]}s get an answer, and {risk:.0%} of the answers are wrong"
    if lowest >= _RECALL and risk <= _RISK and coverage >= _COVERAGE:
        enough = all(cells.count(i) >= ENOUGH for i in (0, 1))
        more = "" if enough else f"; {ENOUGH} cells of each name would make this surer"
        return GO, f"{text}, {given}", f"use the model as it is{more}"
    if auroc < _RANKED:
        far = float(np.mean(cells.distance > model.rules(RISK).max_distance))
        why = f"{names[0]}s and {names[1]}s can't be told apart on this microscope (AUROC {auroc:.2f}), {text}"
        first = "check focus, light and stain" if far > _FAR else "check the labels"
        return NO_GO, why, f"{first}; if that doesn't help, train on cells of this microscope"
    why = f"{text}, {given}, but the model ranks the two well (AUROC {auroc:.2f})"
    if isinstance(model, SiteModel) and model.site.profile:
        return ADAPT, why, "run `edge-site adapt` again, with these cells added"
    adapted = adaptation()
    if adapted.profile:
        return ADAPT, why, "run `edge-site adapt`"
    return NO_GO, f"{why}, and no profile helps: {adapted.why}", _without_profile(cells, risk)


def _without_profile(cells: Cells, risk: float) -> str:
    """What to do where the model isn't good enough and no profile helps. risk: share of wrong answers, 0 to 1."""
    fewest = min(cells.count(0), cells.count(1))
    more = f"label more cells, 50 of each name (now {fewest}), and check again, or " if fewest < MANY else ""
    use = "its answers may be used, and the cells left for review need your own look; " if risk <= _RISK else ""
    return f"{use}for better answers, {more}train on cells of this microscope"
