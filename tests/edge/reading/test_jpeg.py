"""JPEG files have Pillow's pixels, and damaged ones get Pillow's answer."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.decoding import decoding
from edge.reading import jpeg


def test_pictures_of_all_kinds_are_read_as_by_pillow() -> None:
    pytest.importorskip("simplejpeg", reason="without it, Pillow reads all")
    found = decoding(96, seed=3)
    assert found.all.total() == 96 and not found.differ, str(found)
    ours = {kind for kind, count in found.fast.items() if count == found.all[kind]}
    pillows = {kind for kind in found.all if not found.fast[kind]}
    assert len(ours) == 10 and {"turned", "grey", "progressive 4:2:0"} < ours
    assert pillows == {"CMYK", "profile", "16 bit PNG", "cut off"}


def test_a_decoder_with_other_pixels_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "decode_jpeg", lambda data, *_, **__: np.asarray(Image.open(io.BytesIO(data))) ^ 1)
    assert decoding(7).differ


def test_without_the_package_pillow_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "decode_jpeg", None)
    found = decoding(32)
    assert not found.differ and not found.fast.total()
