"""Crops whose size another ruler than the run's sets, for the ablation."""

from pathlib import Path

import numpy as np
import pytest

from edge import classify, frames
from edge.locate import Locator
from train.data import crop_cache, crop_scale, dataset
from train.data.crop_cache import Wanted


def test_every_ruler_gives_different_crops(drawn: Path) -> None:
    examples = dataset.only(dataset.read(drawn), "train")
    crops = {
        ruler: crop_cache.crops(drawn, examples, 48, "cell", ruler=ruler) for ruler in ("run", "picture", "nucleus")
    }
    assert len(examples) >= 8, "fewer are no run"
    assert len({np.asarray(each).tobytes() for each in crops.values()}) == 3


def test_the_nucleus_as_ruler_makes_all_nuclei_equally_large(drawn: Path) -> None:
    examples = dataset.only(dataset.read(drawn), "train")
    alike, own = (
        crop_cache.make(drawn, examples, Wanted(48, (), True, ruler)).nuclei for ruler in ("nucleus", "picture")
    )
    assert alike is not None and own is not None
    assert alike == pytest.approx(1.5 / 3.2, rel=1e-5)
    assert own.std() > 0.02


def test_each_picture_measured_by_itself_gives_what_it_gives_alone(drawn: Path) -> None:
    paths = [str(drawn / e.path) for e in dataset.only(dataset.read(drawn), "train")]
    alone = classify.find(frames.load(paths[0]), "cell", Locator())
    [found] = classify.find_cells(paths[:1], "cell", crop_scale.search("picture"), run=paths)
    assert isinstance(found, classify.Found)
    assert crop_scale.scaled(found.cells, "picture") == list(alone.cells)
