"""Probabilities -> lymphocyte | monocyte | other | review, with the reason.

A network tells *kinds* apart. The first kinds are the names (lymphocyte, monocyte); all kinds after them merge into
OTHER. An answer that isn't sure enough becomes REVIEW, which asks a person to look: selective classification.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

OTHER, REVIEW = "other", "review"
RISK = 0.01  # the stated risk unless the user asks for another: the share of wrong answers among those given
# The least probability of OTHER where every cell is answered (no review). On a microscope that the network has never
# seen, doubt shows as OTHER first: of a network trained on pbc alone, 0.29 of raabin's named cells had 0.5 of OTHER and
# 0.15 had 0.8; at home 0.03 and 0.01.
PLAIN_OTHER = 0.8
LEAST = 1 / 512  # probabilities are clipped to this and to 1 - this before a logit is taken: int8 has steps of 1/256
PictureDoubt = Callable[[], str]


@dataclass(frozen=True)
class Rules:
    """How answers are made of probabilities. The defaults give the likeliest label.

    Attributes:
        labels: what an answer can be; OTHER last where it is one.
        kinds: what the network tells apart: the names first, then the kinds that merge into OTHER.
        temperature: divides the logits of the names, above 0 (Guo et al., ICML 2017).
        other_platt: scale and shift of the logit of OTHER (Platt, 1999).
        min_confidence: least probability of the likelier name, among the names, 0 to 1.
        max_other: largest probability of OTHER with which a cell still gets a name, 0 to 1.
        min_other: least probability of OTHER with which a cell is called that, 0 to 1.
        min_subclass: least probability of the likeliest kind of OTHER then, 0 to 1.
        max_distance: largest Mahalanobis distance from the training cells, above 0.
        abstain: whether a doubtful picture also makes the answer REVIEW, and OTHER begins at 0.5.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    temperature: float = 1.0
    other_platt: tuple[float, float] = (1.0, 0.0)
    min_confidence: float = 0.0
    max_other: float = 1.0
    min_other: float = 0.5
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
        probabilities: by label, 0 to 1, to ten-thousandths.
        shift: what was subtracted from the logit of the second name; 0 where nothing was.
        frames: of how many frames it is the mean; 0 for a picture file.
        reason: why a person should look, or which kind of OTHER it is most like; "" where there is nothing to add.
    """

    label: str
    probabilities: dict[str, float]
    shift: float = 0.0
    frames: int = 0
    reason: str = ""


def merged(probabilities: np.ndarray, labels: int) -> np.ndarray:
    """Probabilities of kinds, float [..., kinds] -> of labels, float [..., labels]: the last label is the sum of all
    kinds from its place on.
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
    """Makes one answer.

    Args:
        probabilities: float [kinds], or [labels], summing to 1.
        rules: how answers are made.
        shift: logits to subtract from the second of two names; see edge.site.unlabelled_threshold.
        distance: Mahalanobis distance from the training cells; 0 where it isn't known.
        picture_doubt: says in a few words what is wrong with the picture of the cell, "" for nothing; it is asked only
            where nothing else speaks against a name, since it costs time.

    The sums are over Python's floats, whose powers are the C library's: numpy's differ in the last bit from processor
    to processor.
    """
    kinds = [float(p) for p in probabilities]
    count = len(rules.labels) - rules.knows_other
    names = _tempered(kinds[:count], rules.temperature, shift)
    other = _other(sum(kinds[count:]), rules.other_platt) if rules.knows_other else 0.0
    shares = [p * (1 - other) for p in names] + [other] * rules.knows_other
    by_label = {label: round(p, 4) for label, p in zip(rules.labels, shares, strict=True)}
    if rules.knows_other and other >= (0.5 if rules.abstain else rules.min_other):
        likeliest = max(range(count, len(kinds)), key=kinds.__getitem__)
        kind = rules.kinds[likeliest] if len(kinds) == len(rules.kinds) > len(rules.labels) else ""
        reason = _against_other(other, kinds[likeliest], distance, rules)
        return Decision(REVIEW if reason else OTHER, by_label, shift, reason=reason or _resembles(kind))
    reason = _against_name(names, other, distance, picture_doubt, rules)
    label = rules.labels[names.index(max(names))]
    return Decision(REVIEW if reason else label, by_label, shift, reason=reason)


def _other(share: float, platt: tuple[float, float]) -> float:
    """The probability of OTHER, once it is as sure as it is right."""
    share = min(max(share, LEAST), 1 - LEAST)
    scale, shift = platt
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) - shift) / scale))


def _tempered(names: list[float], temperature: float, shift: float) -> list[float]:
    """The probabilities of the names among themselves, summing to 1."""
    odds = list(names)
    if shift:
        odds[1] *= math.exp(-shift)
    if temperature != 1.0:
        odds = [p ** (1 / temperature) for p in odds]
    total = sum(odds)
    return [p / total for p in odds] if total else [1 / len(odds)] * len(odds)


def _against_other(other: float, likeliest: float, distance: float, rules: Rules) -> str:
    """Why a cell may not be called OTHER; "" where it may."""
    if distance > rules.max_distance:
        return "unlike anything in training"
    if other < rules.min_other:
        return f"perhaps another type, {100 * other:.0f} %"
    return "like no kind that it knows" if likeliest < rules.min_subclass else ""


def _against_name(
    names: list[float], other: float, distance: float, picture_doubt: PictureDoubt | None, rules: Rules
) -> str:
    """Why a cell may not be given the likeliest name; "" where it may."""
    if distance > rules.max_distance:
        return "unlike anything in training"
    if other > rules.max_other:
        return f"perhaps another type, {100 * other:.0f} %"
    first, *others = sorted(names, reverse=True)
    if first < rules.min_confidence:
        return f"close call {100 * first:.0f}:{100 * (others[0] if others else 0.0):.0f}"
    return picture_doubt() if picture_doubt and rules.abstain else ""


def _resembles(kind: str) -> str:
    """What a cell of OTHER is most like, as a reason."""
    if not kind or kind == OTHER:
        return ""
    return "no white cell" if kind == "patch" else f"like {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
