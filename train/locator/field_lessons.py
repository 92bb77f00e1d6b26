"""Marked camera fields as lessons for the locator: which pixels are nucleus, which are not, and which are unknown."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge import frames
from edge.locate import shrink
from train.data.fields import Field
from train.locator import nuclei
from train.locator.red_cell_diameter import red_cell_diameter

_SIDE = 720  # pixels: larger fields are shrunk until their longer side has this length, which is enough to learn from
_BAND = 0.12  # of the height: this near to the border, cells are often left unmarked, so nothing is learned there
_EMPTY_BAND = 0.02  # the same in a field that is marked as one without white cells
_EDGE = 3  # pixels: a box this near to the border is taken to be cut by it
_FEWEST = 4  # measured fields that a film needs for a diameter of its own
_SMALLEST = 16.0  # pixels of a shrunk field: smaller red cells are not measured well
_AGREED = 1.25  # measurements whose quartiles differ by a larger factor disagree
_SEARCHED = 1.6  # width of the square in which a marked cell's nucleus is looked for, in lengths of its box


@dataclass(frozen=True)
class MarkedField:
    """A marked field as a lesson for the locator.

    Attributes:
        source: the data set that it comes from.
        image: RGB uint8 [h, w, 3].
        outline: uint8 [h, w]: 1 the core of a nucleus, 2 (nuclei.IGNORE) unknown, 0 neither.
        red_cell: diameter of its red cells in pixels; 0 if it isn't known.
    """

    source: str
    image: np.ndarray
    outline: np.ndarray
    red_cell: float


def lessons(folder: Path, fields: Iterable[Field]) -> list[MarkedField]:
    """The lessons of some fields of a data folder. Raises UserError if a picture can't be read."""
    found: list[tuple[Field, np.ndarray, np.ndarray]] = []
    measures: dict[str, list[float]] = defaultdict(list)
    for field in fields:
        frame = frames.load(folder / field.path)
        image = shrink(frame.image, _SIDE)
        scale = max(image.shape) / max(frame.image.shape)
        outline = _outline(image, [[round(v * scale) for v in (b.x, b.y, b.width, b.height)] for b in field.boxes])
        small = shrink(image, 320)
        mask = cv2.resize((outline > 0).astype(np.uint8) * 255, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        measured = red_cell_diameter(small, mask)
        if measured and measured >= _SMALLEST:
            for group in (field.source, f"{field.source} {field.film}"):
                measures[group].append(measured * max(image.shape) / max(small.shape))
        found.append((field, image, outline))
    return [
        MarkedField(
            field.source,
            image,
            outline,
            agreed(measures[f"{field.source} {field.film}"], _FEWEST) or agreed(measures[field.source]),
        )
        for field, image, outline in found
    ]


def agreed(measures: Sequence[float], fewest: int = 1) -> float:
    """The median of the diameters of red cells that were measured in fields of one film; 0 if they disagree.

    One field's measurement is often wrong. If a quarter of them lie far from the others, none is trusted.

    Args:
        measures: diameters in pixels of one scale.
        fewest: with fewer of them, the result is 0.
    """
    if len(measures) < fewest:
        return 0.0
    low, middle, high = np.percentile(measures, [25, 50, 75])
    return float(middle) if high <= _AGREED * low else 0.0


def _outline(image: np.ndarray, boxes: list[list[int]]) -> np.ndarray:
    """What is known of each pixel of a field, uint8 [h, w]; see MarkedField. boxes: [x, y, width, height] in pixels."""
    height, width = image.shape[:2]
    result = np.zeros((height, width), np.uint8)
    band = round((_BAND if boxes else _EMPTY_BAND) * height)
    result[:band], result[-band:], result[:, :band], result[:, -band:] = (nuclei.IGNORE,) * 4
    for x, y, w, h in boxes:
        result[max(0, y) : y + h, max(0, x) : x + w] = nuclei.IGNORE
    for x, y, w, h in boxes:
        side = _SEARCHED * max(w, h)
        left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
        scale = nuclei.SIZE / side
        warp = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
        size = (nuclei.SIZE, nuclei.SIZE)
        window = cv2.warpAffine(image, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        seen = nuclei.outline(window)
        if seen is None and (x <= _EDGE or y <= _EDGE or x + w >= width - _EDGE or y + h >= height - _EDGE):
            continue  # the border cuts the box, so its nucleus may lie anywhere
        if seen is None:  # its nucleus is somewhere in the middle of the box
            core = cv2.circle(np.zeros(size, np.uint8), (nuclei.SIZE // 2,) * 2, nuclei.SIZE // 9, (1,), -1)
        else:
            core = (seen == 1).astype(np.uint8)
        back = cv2.warpAffine(core, warp, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        inside = result[max(0, y) : y + h, max(0, x) : x + w]
        inside[back[max(0, y) : y + h, max(0, x) : x + w] == 1] = 1
        if seen is not None:  # around an outlined nucleus, the rest of the box is not nucleus
            ring = inside == nuclei.IGNORE
            others = cv2.warpAffine(seen, warp, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
            inside[ring & (others[max(0, y) : y + h, max(0, x) : x + w] == 0)] = 0
    return result
