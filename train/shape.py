"""How well size and shape alone tell the classes apart: seven measurements of each nucleus, without a network.

The networks are compared with this. A monocyte's nucleus is larger, more folded and paler than a lymphocyte's, and has
more cytoplasm around it.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edge.contract import Figures
from train.data import crop_cache, dataset, field_cells
from train.evaluation import evaluate

_SIZE = 80  # width and height of the crops in pixels
_DARK = 128  # red level, 0 to 255: in a crop of the policy "normalised" a nucleus is darker than this
_DARKER = 20  # green levels: cytoplasm is darker than the brightest parts of a crop by more than this
FEATURES = ("diameter", "solidity", "roundness", "elongation", "darkness", "texture", "cytoplasm")
_NO_NUCLEUS = [0.0, 1.0, 1.0, 1.0, 255.0, 0.0, 0.0]  # the FEATURES of a crop without a nucleus


def measured(crops: np.ndarray) -> np.ndarray:
    """Measurements of nuclei, float [n, FEATURES].

    Args:
        crops: of the policy "normalised", RGB uint8 [n, size, size, 3].

    The features are:

    - diameter: diameter of a circle with the nucleus' area, as a share of the crop's width;
    - solidity: the nucleus' area as a share of the area of its convex hull;
    - roundness: 4 pi area / perimeter squared, 1 for a circle;
    - elongation: long axis divided by short axis of the ellipse that fits the nucleus;
    - darkness and texture: mean and standard deviation of the green level in the nucleus, 0 (dark) to 255;
    - cytoplasm: share of the crop that is neither nucleus nor empty.
    """
    return np.stack([_features(crop) for crop in crops])


def _features(crop: np.ndarray) -> list[float]:
    """The FEATURES of one crop, uint8 [size, size, 3]."""
    dark = (cv2.GaussianBlur(crop[..., 0], (0, 0), 1.0) < _DARK).astype(np.uint8)
    outlines, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [outline for outline in outlines if len(outline) >= 5]  # an ellipse needs five points
    if not outlines:
        return _NO_NUCLEUS
    nucleus = max(outlines, key=cv2.contourArea)
    area, perimeter = cv2.contourArea(nucleus), cv2.arcLength(nucleus, True)
    hull = cv2.contourArea(cv2.convexHull(nucleus))
    _, (short, long), _ = cv2.fitEllipse(nucleus)
    green = crop[..., 1]
    inside = green[cv2.drawContours(np.zeros_like(dark), [nucleus], -1, 1, -1) > 0]
    cytoplasm = (dark == 0) & (green < np.percentile(green, 98) - _DARKER)
    return [
        2 * np.sqrt(area / np.pi) / len(crop),
        area / max(hull, 1.0),
        4 * np.pi * area / max(perimeter, 1.0) ** 2,
        long / max(short, 1.0),
        float(inside.mean()) if len(inside) else 255.0,
        float(inside.std()) if len(inside) else 0.0,
        float(cytoplasm.mean()),
    ]


def tested(folder: Path, source: str) -> dict[str, Figures]:
    """Trains a logistic regression on what `measured` returns. Returns its figures by the source that it was tested on.

    Args:
        folder: the data folder.
        source: the one source whose training pictures it learns from.

    It is tested on the test split of each source and on the cells of marked camera fields.

    Raises:
        UserError: as train.data.dataset and train.data.field_cells do.
    """
    examples = dataset.trained_on(dataset.read(folder), source)

    def of_split(split: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        chosen = dataset.only(examples, split)
        crops = crop_cache.crops(folder, chosen, _SIZE, "normalised")
        return measured(crops), dataset.targets(chosen), [e.source for e in chosen]

    features, truth, _ = of_split("train")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(features, truth)
    features, truth, sources = of_split("test")
    marked = field_cells.read(folder, _SIZE, "normalised", dataset.LABELS)
    if len(marked.truth):
        features = np.concatenate([features, measured(marked.crops)])
        truth, sources = np.concatenate([truth, marked.truth]), sources + marked.sources
    figures = evaluate.by_source(truth, model.predict_proba(features), sources, dataset.LABELS)
    return {name: each for name, each in figures.items() if name != "all"}
