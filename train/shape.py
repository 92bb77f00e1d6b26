"""What size and shape alone tell: a nucleus measured in a few numbers, without a network.

A yardstick for the networks: a monocyte's nucleus is larger, more folded and paler than a lymphocyte's, and has more
cytoplasm round it.
"""

from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from train.data import crop_cache, dataset, field_cells
from train.evaluation import evaluate

_SIZE = 80
_DARK = 128  # level of red light: a nucleus lets less through in a crop of the policy "normalised"
NAMES = ("diameter", "solidity", "roundness", "elongation", "darkness", "texture", "cytoplasm")


def measured(crops: np.ndarray) -> np.ndarray:
    """Crops of the policy "normalised", uint8 [n, size, size, 3] -> float [n, NAMES].

    diameter: of a circle of the nucleus' area, in shares of the crop; solidity: its area in its convex hull's;
    roundness: 4 pi area / perimeter squared; elongation: of its moments' axes; darkness and texture: mean and standard
    deviation of green inside; cytoplasm: share of the disc round it that is neither nucleus nor empty.
    """
    return np.stack([_numbers(crop) for crop in crops])


def _numbers(crop: np.ndarray) -> list[float]:
    size = len(crop)
    dark = (cv2.GaussianBlur(crop[..., 0], (0, 0), 1.0) < _DARK).astype(np.uint8)
    outlines, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [o for o in outlines if len(o) >= 5]
    if not outlines:
        return [0.0, 1.0, 1.0, 1.0, 255.0, 0.0, 0.0]
    nucleus = max(outlines, key=cv2.contourArea)
    area, hull, perimeter = (
        cv2.contourArea(nucleus),
        cv2.contourArea(cv2.convexHull(nucleus)),
        cv2.arcLength(nucleus, True),
    )
    (_, _), (short, long), _ = cv2.fitEllipse(nucleus)
    inside = crop[..., 1][cv2.drawContours(np.zeros_like(dark), [nucleus], -1, 1, -1) > 0]
    grey = crop[..., 1]
    pale = (dark == 0) & (grey < np.percentile(grey, 98) - 20)
    return [
        2 * np.sqrt(area / np.pi) / size,
        area / max(hull, 1.0),
        4 * np.pi * area / max(perimeter, 1.0) ** 2,
        long / max(short, 1.0),
        float(inside.mean()) if len(inside) else 255.0,
        float(inside.std()) if len(inside) else 0.0,
        float(pale.mean()),
    ]


def tested(folder: Path, source: str) -> dict[str, dict]:
    """A logistic regression on measured(), learned from one source -> evaluate.metrics() of each source's test split
    and of marked fields. Raises UserError as train.data and train.data.field_cells do.
    """
    examples = dataset.trained_on(dataset.read(folder), source)

    def numbers(split: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        chosen = dataset.only(examples, split)
        crops = crop_cache.crops(folder, chosen, _SIZE, "normalised")
        return measured(crops), dataset.targets(chosen), [e.source for e in chosen]

    inputs, truth, _ = numbers("train")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(inputs, truth)
    inputs, truth, names = numbers("test")
    found = field_cells.read(folder, _SIZE, "normalised", dataset.LABELS)
    if len(found.truth):
        inputs = np.concatenate([inputs, measured(found.crops)])
        truth, names = np.concatenate([truth, found.truth]), names + found.sources
    figures = evaluate.by_source(truth, model.predict_proba(inputs), names, dataset.LABELS)
    return {name: each for name, each in figures.items() if name != "all"}
