"""Crops by another ruler than the run's, for the ablation."""

from pathlib import Path

import numpy as np
import pytest

from edge import classify, frames
from train.data import crop_cache, crop_scale, dataset


def test_every_ruler_s_crops_are_its_own(drawn: Path) -> None:
    examples = dataset.only(dataset.read(drawn), "train")
    crops = {
        ruler: crop_cache.crops(drawn, examples, 48, "cell", ruler=ruler) for ruler in ("run", "picture", "nucleus")
    }
    assert len(examples) >= 8, "fewer are no run"
    assert len({np.asarray(each).tobytes() for each in crops.values()}) == 3


def test_by_the_nucleus_all_are_equally_large(drawn: Path) -> None:
    examples = dataset.only(dataset.read(drawn), "train")
    assert crop_cache.nuclei(drawn, examples, "nucleus") == pytest.approx(1.5 / 3.2, rel=1e-5)
    own = crop_cache.nuclei(drawn, examples, "picture")
    assert own.std() > 0.02
    frame = frames.load(str(drawn / examples[0].path))
    alone = classify.finder("cell")(frame)
    assert crop_scale.finder("cell", "picture", [str(drawn / e.path) for e in examples])(frame) == alone
