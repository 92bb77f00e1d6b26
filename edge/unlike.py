"""Is a run unlike the pictures that the model was trained on? Then its answers are held to more.

A stated risk holds on microscopes like those of the training data. On others, more answers are wrong, and the network
is as sure of them. No label is needed to notice it: the features of all cells of a run then lie beside those of the
training cells, all in about the same direction. `measure` finds out how far, `compare` judges it by the model file's
own home runs, and `held_to_more` raises the limits for an answer. Light, stain, focus and ruler say what is different.

>>> from edge import unlike
>>> found = unlike.compare(unlike.measure(predictions, looks, model.distance), model.home)
>>> rules = unlike.held_to_more(rules, found)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from edge.cell import SIDE, Cell
from edge.contract import Usual
from edge.decide import Rules
from edge.frames import Picture
from edge.mahalanobis import Distance
from edge.model import Prediction
from edge.normalise import DENSITY
from edge.quality import sharpness

FEATURES = "features"  # the measure that decides; the others say what is different
ANOTHER = 1.0  # value of Unlike from which on a run is surely from another microscope
_CELLS = 1000  # features are measured on at most this many cells, spread evenly over the run
_CORE = 0.104  # half the width of the square that is certainly nucleus, in widths of the cell's square (edge.normalise)
_SAMPLE = 32  # pixels along the shorter side of the sample in which the light around a cell is measured

_MARGIN = 0.1  # PLACEHOLDER
_UNIT = 0.2
_FEW = 20  # cells
_MOST = 2.0
_DOUBT = 1.0
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
        values: by name. FEATURES is how far the features of the run's cells lie from those of training cells of the
            same kind, in standard deviations of each direction; below 0 if by chance they lie nearer than their number
            lets expect. The other names are those of Look; they are missing if no cell was looked at.
    """

    cells: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Unlike:
    """How unlike home a run is.

    Attributes:
        value: 0 for a run like those of training; from 1 on, it is as unlike as pictures of another microscope.
        why: what is different and what to do, in one clause; "" if `value` is 0.
    """

    value: float = 0.0
    why: str = ""


def look(picture: Picture, cell: Cell) -> Look | None:
    """Measures the picture of one cell; None if the cell is the whole picture, which has no surroundings."""
    if cell.box == (0, 0, picture.width, picture.height):
        return None
    (x, y), half = cell.centre, SIDE * cell.red_cell / 2
    place = picture.window(int(x - half), int(y - half), int(x + half), int(y + half))
    light = np.percentile(_sample(place), 90, axis=0).astype(int)
    near = 2 * _CORE * half
    nucleus = _sample(picture.window(int(x - near), int(y - near), int(x + near) + 1, int(y + near) + 1))
    density = float(np.percentile(DENSITY[nucleus[:, 1]], 60)) - float(DENSITY[light[1]])
    return Look(
        sharpness=sharpness(place, cell.red_cell),
        light=float(light[1]),
        tint=float(light[2]) / max(1.0, float(light[0])),
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
        each.name: round(float(np.median([getattr(one, each.name) for one in looks])), 2)
        for each in (fields(Look) if looks else ())
    }
    if distance is None or not predictions:
        return Measures(0, values)
    some = predictions[:: -(-len(predictions) // _CELLS)]
    cells, squared = _offset(*distance.residuals(np.stack([each.features for each in some])))
    if cells:
        values[FEATURES] = round(float(np.sign(squared) * np.sqrt(abs(squared))), 2)
    return Measures(cells, values)


def _offset(kinds: np.ndarray, residuals: np.ndarray) -> tuple[int, float]:
    """How far the cells of each kind lie from that kind's training cells, all in the same direction.

    It is the mean product of the residuals of two cells of the same kind. The scatter of single cells adds nothing to
    it, so that its expected value doesn't depend on their number.

    Args:
        kinds: the nearest kind of each cell, int [n].
        residuals: the whitened difference of each cell from the mean of its kind, float64 [n, m].

    Returns:
        The number of cells whose kind has at least two, and the mean square of the offset in a direction.
    """
    total, count = 0.0, 0
    for kind in np.unique(kinds):
        own = residuals[kinds == kind]
        n = len(own)
        if n > 1:
            together, alone = (n * own.mean(axis=0)) ** 2, (own**2).sum(axis=0)
            total += float((together - alone).mean()) / (n - 1)
            count += n
    return count, total / max(1, count)


def compare(measures: Measures, home: Mapping[str, Usual] | None) -> Unlike:
    """Judges a run. home: what is usual in home runs, from Model.home; None if it isn't known: then nothing is said.

    A run of few cells is not well known. It counts as if _FEW more cells had been seen that lie at the limit.
    """
    usual = (home or {}).get(FEATURES)
    found = measures.values.get(FEATURES)
    if home is None or usual is None or found is None:
        return Unlike()
    limit = usual.middle + _MARGIN
    squared = (measures.cells * found * abs(found) + _FEW * limit * limit) / (measures.cells + _FEW)
    value = round(max(0.0, squared**0.5 - limit) / _UNIT if squared > 0 else 0.0, 2)
    return Unlike(min(value, _MOST), _why(measures.values, home)) if value else Unlike()


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


def sentence(unlike: Unlike) -> str:
    """What to tell a user about the run, with a space before it; "" for a run like those of training."""
    if not unlike.value:
        return ""
    return f" This run is unlike the training pictures, so more cells are left to review: {unlike.why}."


def held_to_more(rules: Rules, unlike: Unlike) -> Rules:
    """The rules for a run that is unlike home: all logits are divided by a factor that grows with `unlike.value`.

    So an answer needs a larger logit, and the probabilities say less.
    """
    if not unlike.value:
        return rules
    factor = 1 + _DOUBT * unlike.value
    scale, shift = rules.other_platt
    return replace(rules, temperature=rules.temperature * factor, other_platt=(scale * factor, shift))
