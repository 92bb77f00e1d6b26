"""The parts of a picture that are kept have exactly the pixels of the picture."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import UserError
from edge.frames import Frame, Unreadable, load, pages
from edge.kept import PixelStore


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return load(tmp_path / "a.png")


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that had to be read again."""
    sources: list[str] = []

    def reading(path: str) -> Iterator[Frame | Unreadable]:
        sources.append(path)
        return pages(path)

    monkeypatch.setattr("edge.kept.pages", reading)
    return sources


@pytest.mark.parametrize("memory", [0, 3000, 10**6])
def test_windows_from_memory_and_from_the_file(frame: Frame, memory: int, read_again: list[str]) -> None:
    store = PixelStore(memory=memory)
    boxes = [(10, 20, 40, 50), (80, 0, 120, 30)]
    kept = [store.keep(frame, boxes) for _ in range(3)]
    for picture in kept:
        assert (picture.width, picture.height, picture.source) == (120, 90, frame.source)
        for box in (*boxes, (12, 21, 13, 22), (100, -50, 500, 20)):
            assert np.array_equal(picture.window(*box), frame.window(*box))
    assert not read_again


def test_all_of_a_picture_is_kept_if_most_of_it_is_needed(frame: Frame, read_again: list[str]) -> None:
    kept = PixelStore().keep(frame, [(0, 0, 100, 80)])
    assert np.array_equal(kept.window(0, 0, 120, 90), frame.image)
    assert not read_again


def test_parts_that_were_not_kept_are_read_again(frame: Frame, read_again: list[str]) -> None:
    store = PixelStore()
    kept = store.keep(frame, [(10, 20, 40, 50)])
    assert np.array_equal(kept.window(0, 0, 120, 90), frame.image)
    assert np.array_equal(kept.window(5, 20, 40, 50), frame.window(5, 20, 40, 50))
    assert read_again == [frame.source], "the second time it is still in memory"
    Path(frame.source).unlink()
    store._latest = None
    with pytest.raises(UserError, match=r"a\.png"):
        kept.window(0, 0, 120, 90)


def test_with_a_full_disk_pictures_are_read_again(
    frame: Frame, monkeypatch: pytest.MonkeyPatch, read_again: list[str]
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.kept._temporary_file", full)
    store = PixelStore(memory=0)
    kept = store.keep(frame, [(10, 20, 40, 50)])
    assert np.array_equal(kept.window(10, 20, 40, 50), frame.window(10, 20, 40, 50))
    assert read_again == [frame.source]
