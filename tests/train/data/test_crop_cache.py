"""Crops and nuclei: made once, with each picture decoded once; and made again when a file changes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import fill
from PIL import Image

from edge.errors import UserError
from train.data import crop_cache, dataset
from train.data.crop_cache import Wanted


def test_a_picture_is_decoded_once_whatever_is_made_from_it(drawn: Path, tmp_path: Path, decoded: Counter[str]) -> None:
    examples = dataset.only(dataset.read(drawn, dataset.labels("one")), "train")
    paths = {str(drawn / e.path) for e in examples}
    assert len(paths) < len(examples), "some pictures lend a patch as well"
    made = crop_cache.make(drawn, examples, Wanted(48, ("cell", "normalised", "whole-image"), True), tmp_path)
    assert decoded == Counter(paths)
    assert made.nuclei is not None and made.nuclei.shape == (len(examples),)
    for policy in ("cell", "normalised", "whole-image"):
        other = tmp_path / policy
        alone = crop_cache.crops(drawn, examples, 48, policy, other)
        assert np.array_equal(alone, made.crops[policy]), "made alone they are the same"
        assert [file.name for file in other.iterdir()] == [Path(made.crops[policy].filename).name]  # type: ignore[attr-defined]


@pytest.mark.parametrize("ruler", ["run", "picture", "nucleus"])
def test_what_is_in_the_cache_is_not_made_again(drawn: Path, tmp_path: Path, decoded: Counter[str], ruler: str) -> None:
    examples = dataset.only(dataset.read(drawn), "val")
    crop_cache.crops(drawn, examples, 48, "cell", tmp_path, ruler)
    crop_cache.make(drawn, examples, Wanted(48, ("cell",), True, ruler), tmp_path)
    assert set(decoded.values()) == {2}, "once for the crops, once for the nuclei that were asked for later"
    crop_cache.make(drawn, examples, Wanted(48, ("cell",), True, ruler), tmp_path)
    assert set(decoded.values()) == {2}


def test_crops_are_cached_and_made_again_when_files_change(tmp_path: Path) -> None:
    fill(tmp_path / "d", {"lymphocyte": 40, "monocyte": 40})
    examples = dataset.read(tmp_path / "d")
    first = crop_cache.crops(tmp_path / "d", examples, 32, "whole-image", tmp_path / "cache")
    assert first.shape == (80, 32, 32, 3) and first.dtype == np.uint8
    assert np.array_equal(crop_cache.crops(tmp_path / "d", examples, 32, "whole-image", tmp_path / "cache"), first)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    Image.new("RGB", (20, 20), "red").save(tmp_path / "d" / examples[0].path)
    assert (crop_cache.crops(tmp_path / "d", examples, 32, "whole-image", tmp_path / "cache")[0] == (255, 0, 0)).all()


def test_broken_pictures_are_named_and_leave_no_cache(tmp_path: Path) -> None:
    fill(tmp_path / "d", {"lymphocyte": 40, "monocyte": 40})
    examples = dataset.read(tmp_path / "d")
    (tmp_path / "d" / "monocyte" / "7.png").write_text("no picture")
    with pytest.raises(UserError, match=r"7\.png"):
        crop_cache.crops(tmp_path / "d", examples, 32, "whole-image", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "d" / "monocyte" / "7.png").unlink()
    with pytest.raises(UserError, match=r"7\.png is listed"):
        crop_cache.crops(tmp_path / "d", examples, 32, "whole-image", tmp_path / "cache")


def test_a_patch_shows_no_cell(drawn: Path) -> None:
    examples = dataset.read(drawn, dataset.labels("one"))
    patches = [e for e in examples if e.kind == dataset.PATCH]
    lenders = [e for e in examples if e.kind != dataset.PATCH and e.path in {p.path for p in patches}]
    assert len(patches) == len(lenders) > 0 and {e.label for e in patches} == {"other"}
    dark = [
        (crop_cache.crops(drawn, chosen, 48, "cell")[:, 18:30, 18:30, 1] < 110).mean(axis=(1, 2))
        for chosen in (patches, lenders)
    ]
    assert np.median(dark[0]) < 0.1 and np.median(dark[1]) > 0.4
