"""Is a run unlike the pictures that the model was trained on? Then its answers are corrected, and held to more.

A stated risk holds on microscopes like those of the training data. On others, more answers are wrong, and the network
is as sure of them. No label is needed to notice it: the features of all cells of a run then lie beside those of the
training cells, all in about the same direction. `measure` finds this common offset, and `compare` judges it by the
model file's own home runs. Light, stain, focus and ruler say what is different.

The offset also favours some kinds, equally in all cells. `moved` takes that back. What remains is doubt: `held_to_more`
raises the limits for an answer.

>>> from edge import unlike
>>> run = unlike.compare(unlike.measure(predictions, looks, model.distance), model.home, model.kinds)
>>> decision = decide(unlike.moved(prediction.kinds, run), unlike.held_to_more(rules, run))
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from edge.cell import SIDE, Cell
from edge.contract import Home, Usual
from edge.decide import Rules
from edge.field.outline import window
from edge.frames import Picture
from edge.mahalanobis import Distance
from edge.model import Prediction
from edge.normalise import CORE, DENSITY
from edge.quality import sharpness
from edge.stain import median, quantile

FEATURES = "features"  # the measure that decides; the others say what is different
NOTHING = "patch"  # the kind of places without a white cell; what looks like one never gets a name more easily
_CELLS = 1000  # features are measured on at most this many cells, spread evenly over the run
_SAMPLE = 32  # pixels along the shorter side of the sample in which the light around a cell is measured

# The offset is usual up to the middle of home runs plus _MARGIN, or plus _SPREADS_OFF spreads if that is more. With
# _UNIT more, the run counts as from another microscope: Unlike.value is 1. With the shipped network of commit 8d6ee38,
# the offset is below 0.39 in 95 % of the runs of 20 home cells, 0.23 to 0.44 in home films of 50 cells or more, 0.54 to
# 0.69 on bccd, chula_rpi, krd_wbc and the tight crops of ../shared/cases, and 0.75 to 1.0 on draaslan, pig_warty and
# chula_rbc12.
_MARGIN, _SPREADS_OFF, _UNIT = 0.1, 2.0, 0.2
# Cells at the limit that a run is taken to have besides its own. In random home runs of 2 to 50 cells, coverage then
# changes by at most 0.013, while Unlike.value of runs of 10 cells from other microscopes is 0.5 to 1.
_FEW = 10
SAID = 0.5  # value of Unlike from which on a user is told
# What Unlike.value = 1 adds to the logits of min_confidence and min_other; more adds nothing. Both were fitted
# on sources that a network had never seen. docs/figures/unseen.md has the figures for the first. The second was fitted
# with networks joined side by side: of the answers to raabin by those that learned from pbc, 25 of 260 were wrong with
# 3, 10 of 245 with 4, 4 of 239 with 5. All of them called a lymphocyte or a monocyte *other*.
_SURER, _SURER_OF_OTHER = 1.25, 5.0
# Share of what the offset is expected to add to the logit of each kind of *other* that is taken back. It was fitted
# when the names were moved, too: with 0, their mean balanced accuracy on these pairs was 0.784; with 1, 1.2 and 1.5 it
# was 0.829, 0.830 and 0.833. At home it doesn't change.
_MOVED = 1.2
FARTHEST = 2.0  # logits: no kind is moved farther than this against another
_ROUNDS = 5  # of the fit of the common offset
_SOFT = 0.3  # factor of the logits in that fit, so that cells between two kinds count for both
_PRIOR = 5.0  # cells: a kind of which a run has fewer counts for less than half as much as a frequent one
# Least spreads of the measures that say why, in the units of Look, and in how many spreads a difference is clear.
_SPREADS = {"sharpness": 0.05, "light": 20.0, "tint": 0.07, "nucleus": 0.2, "ruler": 0.03}
_CLEAR = 2.0
_LESS = {
    "sharpness": "the pictures are less sharp than in training; turn the fine focus",
    "light": "the pictures are darker than in training; turn up the lamp or the exposure",
    "tint": "the light is redder than in training; set the white balance, or adapt with edge-site",
    "nucleus": "the nuclei are paler than in training; check stain and light, or adapt with edge-site",
    "ruler": "",
}
_MORE = {
    "sharpness": "the pictures are harsher than in training; turn off sharpening, or give more light",
    "light": "the pictures are brighter than in training; turn down the lamp or the exposure",
    "tint": "the light is bluer than in training; set the white balance, or adapt with edge-site",
    "nucleus": "the nuclei are darker than in training; check stain and light, or adapt with edge-site",
    "ruler": "the red cells are hard to measure; show more of them, or give their diameter with --ruler",
}
_OTHERWISE = "the cells look unlike those of training; check some by eye, and adapt with edge-site"


@dataclass(frozen=True)
class Look:
    """What the picture of one cell shows before it is evened.

    Attributes:
        sharpness: see edge.quality.sharpness.
        light: level of the light in green, 0 to 255.
        tint: level of the light in blue, divided by that in red.
        nucleus: optical density of the nucleus in green, less that of the light, in nepers.
        ruler: uncertainty of the red cells' diameter; see Cell.
    """

    sharpness: float
    light: float
    tint: float
    nucleus: float
    ruler: float


@dataclass(frozen=True)
class Measures:
    """A run in a few numbers.

    Attributes:
        cells: number of cells that `values` [FEATURES] was measured on; with few, it is not well known.
        pulls: by how much the offset adds to the logit of each kind of the Distance, in a linear discriminant analysis;
            empty if it isn't known.
        values: by name. FEATURES is how far the features of the run's cells lie from those of training cells of the
            same kind, in standard deviations of each direction; below 0 if by chance they lie nearer than their number
            lets expect. The other names are those of Look; they are missing if no cell was looked at.
    """

    cells: int
    values: Mapping[str, float]
    pulls: tuple[float, ...] = ()


@dataclass(frozen=True)
class Unlike:
    """How unlike home a run is.

    Attributes:
        value: 0 for a run like those of training; from 1 on, it is as unlike as pictures of another microscope.
        why: what is different and what to do, in one clause; "" if `value` is 0.
        moves: what is added to the logit of each kind, in the order of the network's kinds; empty for nothing.
    """

    value: float = 0.0
    why: str = ""
    moves: Mapping[str, float] = field(default_factory=dict)


def look(picture: Picture, cell: Cell) -> Look | None:
    """Measures the picture of one cell; None if the cell is the whole picture, which has no surroundings."""
    if cell.box == (0, 0, picture.width, picture.height):
        return None
    (x, y), half = cell.centre, SIDE * cell.red_cell / 2
    place = window(picture, cell.lit, (int(x - half), int(y - half), int(x + half), int(y + half)))
    red, green, blue = (int(quantile(channel, 9, 10)) for channel in _sample(place).T)
    near = 2 * CORE * half
    nucleus = _sample(window(picture, cell.lit, (int(x - near), int(y - near), int(x + near) + 1, int(y + near) + 1)))
    density = int(quantile(DENSITY[nucleus[:, 1]], 3, 5)) - int(DENSITY[green])
    return Look(
        sharpness=sharpness(place, cell.red_cell),
        light=float(green),
        tint=blue / max(1, red),
        nucleus=density / 1000,
        ruler=cell.uncertainty,
    )


def _sample(place: np.ndarray) -> np.ndarray:
    """Some pixels of a window, evenly spread, uint8 [n, 3]."""
    step = max(1, min(place.shape[:2]) // _SAMPLE)
    return place[::step, ::step].reshape(-1, 3)


def measure(predictions: Sequence[Prediction], looks: Sequence[Look], distance: Distance | None) -> Measures:
    """Measures a run.

    Args:
        predictions: of its cells, in any order.
        looks: at some of its cells.
        distance: the model's; None if the model file doesn't hold what this needs. Then FEATURES is missing.

    All values are rounded to hundredths, so that machines agree even if their last digits differ.
    """
    values = {
        each.name: round(median([getattr(one, each.name) for one in looks]), 2)
        for each in (fields(Look) if looks else ())
    }
    predictions = [each for each in predictions if math.isfinite(each.distance)]
    if distance is None or not predictions:
        return Measures(0, values)
    some = predictions[:: -(-len(predictions) // _CELLS)]
    points = np.stack([each.features for each in some]).astype(np.float64) @ distance.whiten
    cells, squared = _offset_squared(points, distance.means)
    if not cells:
        return Measures(0, values)
    values[FEATURES] = round(math.copysign(math.sqrt(abs(squared)), squared), 2)
    pulls = distance.means @ _offset(points, distance.means)
    return Measures(cells, values, tuple(round(float(each), 1) for each in pulls))


def _offset_squared(points: np.ndarray, means: np.ndarray) -> tuple[int, float]:
    """How far the cells of each kind lie from that kind's training cells, all in the same direction.

    It is the mean product of the residuals of two cells of the same kind. The scatter of single cells adds nothing to
    it, so that its expected value doesn't depend on their number.

    Args:
        points: whitened features of the cells, float64 [n, m].
        means: of the kinds, float64 [kinds, m].

    Returns:
        The number of cells whose nearest kind has at least two, and the mean square of the offset in a direction.
    """
    residuals = points[:, None] - means
    nearest = (residuals * residuals).sum(axis=2).argmin(axis=1)
    total, count = 0.0, 0
    for kind in sorted(set(nearest.tolist())):
        own = points[nearest == kind] - means[kind]
        n = len(own)
        if n > 1:
            together, alone = own.sum(axis=0) ** 2, (own**2).sum(axis=0)
            total += float((together - alone).mean()) / (n - 1)
            count += n
    return count, total / max(1, count)


def _offset(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The offset that all kinds have in common, float64 [m]; arguments as for _offset_squared.

    It is fitted by expectation maximisation: cells are given to kinds after the offset is taken off. Each kind counts
    nearly alike, however many cells it has, so that the mixture of kinds in a run has little influence.
    """
    offset = np.zeros(points.shape[1])
    for _ in range(_ROUNDS):
        residuals = (points - offset)[:, None] - means
        logits = -_SOFT / 2 * (residuals * residuals).sum(axis=2)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        cells = shares.sum(axis=0)
        own = (shares.T @ points) / np.maximum(cells, 1e-9)[:, None] - means
        weights = cells / (cells + _PRIOR)
        offset = (own * weights[:, None]).sum(axis=0) / weights.sum()
    return offset


def compare(measures: Measures, home: Home | None, kinds: Sequence[str]) -> Unlike:
    """Judges a run.

    Args:
        measures: of the run. A run of few cells is not well known. It counts as if _FEW more cells had been seen that
            lie at the limit.
        home: what is usual in home runs, from Model.home; None if it isn't known: then nothing is said.
        kinds: what the network tells apart.
    """
    usual = home.measures.get(FEATURES) if home else None
    found = measures.values.get(FEATURES)
    if home is None or usual is None or found is None:
        return Unlike()
    limit = usual.middle + max(_MARGIN, _SPREADS_OFF * usual.spread)
    squared = (measures.cells * found * abs(found) + _FEW * limit * limit) / (measures.cells + _FEW)
    value = round((math.sqrt(max(0.0, squared)) - limit) / _UNIT, 2)
    if value <= 0:
        return Unlike()
    slope = min(1.0, value) * _MOVED * home.slope
    return Unlike(value, _why(measures.values, home.measures), _moves(measures.pulls, kinds, slope))


def _moves(pulls: Sequence[float], kinds: Sequence[str], slope: float) -> dict[str, float]:
    """What is added to the logit of each kind to take the offset back, to hundredths. slope: see Home.

    The names stay as they are: where one of them is rare, its few cells look like those of the other, and the offset
    overshoots. Slides of 2 to 20 monocytes in 100 were counted up to 18 points too high; see docs/figures/slides.md.
    """
    if len(pulls) != len(kinds):
        return {}
    by_kind = dict(zip(sorted(kinds), pulls, strict=True))  # the order of convert.selective.spread
    middle, most = sum(by_kind[each] for each in kinds[:2]) / 2, FARTHEST / 2
    moves = {each: round(max(-most, min(most, slope * (middle - by_kind[each]))), 2) for each in kinds}
    moves |= dict.fromkeys(kinds[:2], 0.0)
    return {each: max(0.0, move) if each == NOTHING else move for each, move in moves.items()}


def _why(values: Mapping[str, float], home: Mapping[str, Usual]) -> str:
    """What differs most from home, of what a person can see and change."""
    differences = {
        name: (values[name] - home[name].middle) / max(spread, home[name].spread)
        for name, spread in _SPREADS.items()
        if name in values and name in home
    }
    name = max(differences, key=lambda each: abs(differences[each]), default="")
    if not name or abs(differences[name]) < _CLEAR:
        return _OTHERWISE
    return _LESS[name] if differences[name] < 0 else _MORE[name]


def sentence(run: Unlike, rules: Rules) -> str:
    """What to tell a user about the run, with a space before it; "" for a run that is hardly unlike home."""
    if run.value < SAID:
        return ""
    effect = "more cells are left to review" if rules.abstain else "more answers are wrong than at home"
    return f" This run is unlike the training pictures, so {effect}: {run.why}."


def moved(kinds: Sequence[float] | np.ndarray, run: Unlike | None) -> list[float]:
    """The probabilities of the kinds after their logits were moved, summing to 1.

    The calculation uses Python's floats, as edge.decide does, so that all machines agree.
    """
    shares = [float(each) for each in kinds]
    if run is None or not run.moves:
        return shares
    shares = [each * math.exp(move) for each, move in zip(shares, run.moves.values(), strict=True)]
    total = sum(shares)
    return [each / total for each in shares] if total else shares


def held_to_more(rules: Rules, run: Unlike) -> Rules:
    """The rules for a run that is unlike home: the limits for an answer rise with `run.value`."""
    doubt = min(1.0, run.value)
    if not doubt or not rules.abstain:
        return rules
    return replace(
        rules,
        min_confidence=_raised(rules.min_confidence, doubt * _SURER),
        min_other=_raised(rules.min_other, doubt * _SURER_OF_OTHER),
    )


def _raised(probability: float, more: float) -> float:
    """The probability with a logit that is larger by `more`, to ten-thousandths."""
    if not 1e-9 < probability < 1:  # a limit that is 0 stays none
        return probability
    return round(1 / (1 + math.exp(-math.log(probability / (1 - probability)) - more)), 4)
