"""Probabilities -> lymphocyte | monocyte | other | review, with the reason.

A network tells kinds apart: the labels that an answer can have, or instead of the last of them, OTHER, the cell types
and things that it is made of. A label that isn't sure enough is no answer: REVIEW asks a person to look.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

OTHER, REVIEW = "other", "review"
RISK = 0.01  # of the answers given, at which it is told unless asked otherwise
# The least that OTHER must have where everything is answered: on a microscope never seen, doubt shows as OTHER first.
# Learned from pbc alone 0.29 of raabin's named cells had 0.5 of it and 0.15 had 0.8; at home 0.03 and 0.01.
PLAIN_OTHER = 0.8
LEAST = 1 / 512  # no share is taken for less, or for more than 1 less this: int8 tells steps of 1/256
Doubt = Callable[[], str]


@dataclass(frozen=True)
class Rules:
    """How a model's answers are made of its probabilities, as its contract says; by default, the likeliest label.

    labels: what an answer can be, with OTHER last where it can be that; kinds: what the network tells apart, the first
    ones being labels, all that follow OTHER; temperature: divides the logits of the labels before OTHER (Guo et al.,
    ICML 2017); rest: scale and shift of the logit of OTHER against them (Platt, 1999); sure: the least share of the
    likeliest of the labels before OTHER, among themselves; named: the most that OTHER may have where one of these is
    told; other: the least that it must have where it is told; alike: the least that its likeliest kind must have then;
    far: the largest distance from what was trained on. What doesn't keep to these is for a person to look at, and where
    `reviews` also what something speaks against.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    temperature: float = 1.0
    rest: tuple[float, float] = (1.0, 0.0)
    sure: float = 0.0
    named: float = 1.0
    other: float = 0.5
    alike: float = 0.0
    far: float = math.inf
    reviews: bool = False

    @property
    def tells_other(self) -> bool:
        return self.labels[-1] == OTHER


@dataclass(frozen=True)
class Decision:
    """label: one of the rules' labels, or REVIEW; probabilities: label -> 0..1; shift: what was taken off the last
    name's logit, 0 for nothing; frames: how many of them it is the mean of, 0 for a picture file; reason: why a person
    should look, or what another cell is like; "" for nothing to say.
    """

    label: str
    probabilities: dict[str, float]
    shift: float = 0.0
    frames: int = 0
    reason: str = ""


def merged(kinds: np.ndarray, labels: int) -> np.ndarray:
    """Probabilities float [..., kinds] -> [..., labels]: what comes after the last label is the last label, too."""
    if kinds.shape[-1] == labels:
        return kinds
    return np.concatenate([kinds[..., : labels - 1], kinds[..., labels - 1 :].sum(axis=-1, keepdims=True)], axis=-1)


def decide(
    probabilities: np.ndarray | Sequence[float],
    rules: Rules,
    shift: float = 0.0,
    distance: float = 0.0,
    doubt: Doubt | None = None,
) -> Decision:
    """float [kinds], or [labels]; of two names edge.site.unlabelled_threshold's shift; edge.mahalanobis's distance; doubt: says what speaks
    against the picture of the cell, in a few words, asked where nothing else speaks against a name -> the answer.

    Python's floats, whose powers are the C library's: numpy's own differ in the last bit from processor to processor.
    """
    kinds = [float(p) for p in probabilities]
    count = len(rules.labels) - rules.tells_other
    names = _tempered(kinds[:count], rules.temperature, shift)
    rest = 0.0
    if rules.tells_other:
        share = min(max(sum(kinds[count:]), LEAST), 1 - LEAST)
        rest = 1 / (1 + math.exp(-(math.log(share / (1 - share)) - rules.rest[1]) / rules.rest[0]))
    shares = [p * (1 - rest) for p in names] + [rest] * rules.tells_other
    told = {label: round(p, 4) for label, p in zip(rules.labels, shares, strict=True)}
    if rules.tells_other and rest >= (0.5 if rules.reviews else rules.other):
        like = max(range(count, len(kinds)), key=kinds.__getitem__)
        name = rules.kinds[like] if len(kinds) == len(rules.kinds) > len(rules.labels) else ""
        reason = _of_other(rest, kinds[like], distance, rules)
        return Decision(REVIEW if reason else OTHER, told, shift, reason=reason or _alike(name))
    best = names.index(max(names))
    reason = _of_name(names, best, rest, distance, doubt, rules)
    return Decision(REVIEW if reason else rules.labels[best], told, shift, reason=reason)


def _tempered(names: list[float], temperature: float, shift: float) -> list[float]:
    """Shares of one another, summing to 1."""
    odds = list(names)
    if shift:
        odds[1] *= math.exp(-shift)
    if temperature != 1.0:
        odds = [p ** (1 / temperature) for p in odds]
    total = sum(odds)
    return [p / total for p in odds] if total else [1 / len(odds)] * len(odds)


def _of_other(rest: float, likeliest: float, distance: float, rules: Rules) -> str:
    """Why this may not be called OTHER, "" if it may."""
    if distance > rules.far:
        return "unlike anything in training"
    if rest < rules.other:
        return f"perhaps another type, {100 * rest:.0f} %"
    return "like no kind that it knows" if likeliest < rules.alike else ""


def _of_name(names: list[float], best: int, rest: float, distance: float, doubt: Doubt | None, rules: Rules) -> str:
    """Why this may not be given a name, "" if it may."""
    if distance > rules.far:
        return "unlike anything in training"
    if rest > rules.named:
        return f"perhaps another type, {100 * rest:.0f} %"
    if names[best] < rules.sure:
        second = sorted(names)[-2] if len(names) > 1 else 0.0
        return f"close call {100 * names[best]:.0f}:{100 * second:.0f}"
    return doubt() if doubt and rules.reviews else ""


def _alike(kind: str) -> str:
    if not kind or kind == OTHER:
        return ""
    return "no white cell" if kind == "patch" else f"like {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
