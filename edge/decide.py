"""Probabilities -> lymphocyte | monocyte | other | review, with the reason.

The network gives a probability for each *kind* of cell. The first two kinds, lymphocyte and monocyte, are the *names*;
a cell that is answered with one of them is *named*. All further kinds merge into OTHER. An answer that isn't sure
enough becomes REVIEW: a person has to look. This is called selective classification.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

OTHER, REVIEW = "other", "review"
_NOTHING = "no white cell"
RISK = 0.01  # stated risk unless the user gives another: the largest share of the given answers that may be wrong
# Probabilities are clipped to LEAST .. 1 - LEAST before a logit is computed, because int8 outputs have steps of 1/256.
LEAST = 1 / 512
NO_ANSWER = "the network gave no answer: its output is no probability"  # such a cell is REVIEW, whatever the rules
PictureDoubt = Callable[[], str]


@dataclass(frozen=True)
class Rules:
    """How probabilities become answers. The defaults answer every cell with the likeliest label.

    Attributes:
        labels: the possible answers; OTHER, if the model knows it, is the last.
        kinds: what the network tells apart: first the names, then the kinds that merge into OTHER.
        temperature: the logits of the names are divided by it, above 0 (Guo et al., ICML 2017).
        other_platt: scale and shift of the logit of OTHER (Platt, 1999).
        min_confidence: least probability of the likelier name, where those of the two names sum to 1; 0 to 1.
        max_other: largest probability of OTHER at which a cell still gets a name, 0 to 1.
        min_other: least probability of OTHER at which a cell is called OTHER in answers with review, 0 to 1.
        min_subclass: least probability of the likeliest kind within OTHER at which a cell is called OTHER, 0 to 1.
        max_distance: largest Mahalanobis distance from the training cells, above 0.
        abstain: True for answers with review. Then a poor picture file also makes a name REVIEW (a live run judges the
            whole view instead), and a cell whose
            probability of OTHER is at least 0.5 never gets a name: it becomes OTHER or REVIEW.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    temperature: float = 1.0
    other_platt: tuple[float, float] = (1.0, 0.0)
    min_confidence: float = 0.0
    max_other: float = 1.0
    min_other: float = 0.0
    min_subclass: float = 0.0
    max_distance: float = math.inf
    abstain: bool = False

    @property
    def knows_other(self) -> bool:
        return self.labels[-1] == OTHER


@dataclass(frozen=True)
class Decision:
    """The answer for one cell.

    Attributes:
        label: one of the rules' labels, or REVIEW.
        probabilities: by label, 0 to 1, rounded to four decimals.
        shift: what was subtracted from the logit of the second name (monocyte); 0 for nothing.
        frames: number of frames that the answer is averaged over; 0 for a picture file.
        reason: why a person should look, or which kind of OTHER the cell resembles most; "" for nothing to add.
    """

    label: str
    probabilities: dict[str, float]
    shift: float = 0.0
    frames: int = 0
    reason: str = ""


def merged(probabilities: np.ndarray, labels: int) -> np.ndarray:
    """Turns probabilities of kinds, float [..., kinds], into those of labels, float [..., labels].

    The last label gets the sum of all kinds from its position on.
    """
    if probabilities.shape[-1] == labels:
        return probabilities
    other = probabilities[..., labels - 1 :].sum(axis=-1, keepdims=True)
    return np.concatenate([probabilities[..., : labels - 1], other], axis=-1)


def decide(
    probabilities: np.ndarray | Sequence[float],
    rules: Rules,
    shift: float = 0.0,
    distance: float = 0.0,
    picture_doubt: PictureDoubt | None = None,
) -> Decision:
    """Makes the answer for one cell.

    Args:
        probabilities: of the kinds, float [kinds], or of the labels, float [labels]; they sum to 1.
        rules: how probabilities become answers.
        shift: subtracted from the logit of the second name (monocyte); see edge.site.unlabelled_threshold.
        distance: Mahalanobis distance from the training cells; 0 if it isn't known.
        picture_doubt: returns in a few words what is wrong with the picture of the cell, "" for nothing. This takes
            time, so it is called only for a name that no other rule forbids.

    The calculation uses Python's floats, whose powers come from the C library. NumPy's powers differ in the last bit
    between processors.
    """
    kinds = [float(p) for p in probabilities]
    if not all(map(math.isfinite, (*kinds, distance))):
        return Decision(REVIEW, dict.fromkeys(rules.labels, 0.0), shift, reason=NO_ANSWER)
    count = len(rules.labels) - rules.knows_other
    names = _tempered(kinds[:count], rules.temperature, shift)
    other = _other(sum(kinds[count:]), rules.other_platt) if rules.knows_other else 0.0
    shares = [p * (1 - other) for p in names] + [other] * rules.knows_other
    by_label = {label: round(p, 4) for label, p in zip(rules.labels, shares, strict=True)}
    likeliest = max(range(count, len(kinds)), key=kinds.__getitem__, default=0)
    like = _resembles(rules.kinds[likeliest]) if len(kinds) == len(rules.kinds) > len(rules.labels) else ""
    perhaps = _perhaps(other, like)
    if rules.knows_other and other >= (0.5 if rules.abstain else max(shares[:count])):
        reason = _against_other(other, kinds[likeliest], distance, perhaps, rules)
        return Decision(REVIEW if reason else OTHER, by_label, shift, reason=reason or like)
    reason = _against_name(names, other, distance, perhaps, rules) or (
        picture_doubt() if picture_doubt and rules.abstain else ""
    )
    label = rules.labels[names.index(max(names))]
    return Decision(REVIEW if reason else label, by_label, shift, reason=reason)


def may_be_named(probabilities: np.ndarray | Sequence[float], rules: Rules, distance: float) -> bool:
    """Whether a cell may get a name and the name needs a judgement of its picture, whatever the shift is.

    The arguments are those of `decide`.
    """
    if not rules.abstain or distance > rules.max_distance:
        return False
    if not rules.knows_other:
        return True
    count = len(rules.labels) - 1
    other = _other(sum(float(p) for p in probabilities[count:]), rules.other_platt)
    return other <= rules.max_other


def _other(share: float, platt: tuple[float, float]) -> float:
    """The probability of OTHER after Platt scaling, so that it matches how often OTHER is right."""
    share = min(max(share, LEAST), 1 - LEAST)
    scale, shift = platt
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) - shift) / scale))


def _tempered(names: list[float], temperature: float, shift: float) -> list[float]:
    """The probabilities of the names after shift and temperature, scaled to sum to 1."""
    odds = list(names)
    if shift:
        odds[1] *= math.exp(-shift)
    if temperature != 1.0:
        odds = [p ** (1 / temperature) for p in odds]
    total = sum(odds)
    return [p / total for p in odds] if total else [1 / len(odds)] * len(odds)


def _against_other(other: float, likeliest: float, distance: float, perhaps: str, rules: Rules) -> str:
    """Why a cell may not be called OTHER; "" if it may. perhaps: the words for a doubtful OTHER."""
    if distance > rules.max_distance:
        return "unlike anything in training"
    if other < rules.min_other:
        return perhaps
    return "like no kind that it knows" if likeliest < rules.min_subclass else ""


def _against_name(names: list[float], other: float, distance: float, perhaps: str, rules: Rules) -> str:
    """Why a cell may not be given the likeliest name, whatever its picture is like; "" if it may."""
    if distance > rules.max_distance:
        return "unlike anything in training"
    if other > rules.max_other:
        return perhaps
    first, *others = sorted(names, reverse=True)
    if first < rules.min_confidence:
        return f"close call {100 * first:.0f}:{100 * (others[0] if others else 0.0):.0f}"
    return ""


def _perhaps(other: float, like: str) -> str:
    """Says that a cell may be of OTHER, and what it then resembles most, as `_resembles` words it."""
    if like == _NOTHING:
        return f"perhaps {like}, {100 * other:.0f} %"
    return f"perhaps another type, {100 * other:.0f} %" + (f", most {like}" if like else "")


def without_numbers(reason: str) -> str:
    """A reason without the figures at its end, to count how often it is given: "close call 55:45" -> "close call"."""
    return re.split(r",? \d", reason)[0]


def _resembles(kind: str) -> str:
    """Which kind a cell of OTHER resembles most, worded as a reason; "" if the kinds don't say."""
    if not kind or kind == OTHER:
        return ""
    return _NOTHING if kind == "patch" else f"like {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
