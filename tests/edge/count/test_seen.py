"""A cell that a session holds is recognised by its neighbours, and no other cell is taken for it."""

from pathlib import Path

import numpy as np
from PIL import Image

from edge.count.seen import SIDE, Seen, square
from edge.frames import Frame, load
from edge.locate import Locator, cells
from edge.red_cells import RedCellRuler


def squares(path: str) -> list[tuple[np.ndarray, float]]:
    """The squares around a field's cells, with their width."""
    frame = load(path)
    located = Locator().locate(frame)
    found = []
    for cell in cells(located, located.measure(RedCellRuler())):
        half = SIDE * cell.red_cell / 2
        x, y = cell.centre
        image = square(frame, (round(x - half), round(y - half), round(x + half), round(y + half)))
        found.append((image, 2 * half))
    return found


def test_overlapping_pictures_of_one_slide_show_one_cell(data: Path) -> None:
    """These two pictures of bccd show one place; ten others show other places."""
    seen = Seen()
    ((image, width),) = squares(str(data / "fields/bccd/BloodImage_00231.jpg"))
    seen.add(1, image, width)
    ((again, width),) = squares(str(data / "fields/bccd/BloodImage_00256.jpg"))
    assert seen.find(again, width) == 1
    others = [
        each for number in range(1, 11) for each in squares(str(data / f"fields/bccd/BloodImage_{number:05}.jpg"))
    ]
    assert len(others) >= 8
    assert [seen.find(image, width) for image, width in others] == [None] * len(others)


def test_light_noise_and_a_ruler_that_is_off_change_nothing(data: Path) -> None:
    ((image, width),) = squares(str(data / "fields/bccd/BloodImage_00231.jpg"))
    seen = Seen()
    seen.add(7, image, width)
    random = np.random.default_rng(0)
    darker = np.clip(image * 0.7 + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    assert seen.find(darker, width) == 7
    margin = len(image) // 20
    nearer = image[margin:-margin, margin:-margin]
    assert seen.find(nearer, width * len(nearer) / len(image)) == 7
    assert seen.find(np.ascontiguousarray(image[::-1, ::-1]), width) is None


def test_a_cell_without_neighbours_is_never_taken_for_another() -> None:
    random = np.random.default_rng(1)
    seen = Seen()
    for number in range(5):
        image = np.clip(random.normal(220, 2, (150, 150, 3)), 0, 255).astype(np.uint8)
        image[60:90, 60:90] = (90, 40, 130)
        assert seen.find(image, 150) is None
        seen.add(number, image, 150)


def test_thousands_of_cells_are_remembered() -> None:
    random = np.random.default_rng(2)
    seen = Seen()
    images = [random.integers(0, 255, (9, 9, 3), np.uint8) for _ in range(600)]
    images = [np.asarray(Image.fromarray(image).resize((120, 120), Image.Resampling.BICUBIC)) for image in images]
    for number, image in enumerate(images):
        seen.add(number, image, 120)
    assert [seen.find(images[number], 120) for number in (0, 300, 599)] == [0, 300, 599]


def test_the_square_of_a_cell_at_the_border_is_filled_up() -> None:
    frame = Frame(np.full((20, 30, 3), 9, np.uint8), "a", 0, 0.0)
    found = square(frame, (-5, -5, 15, 15))
    assert found.shape == (20, 20, 3)
    assert (found[:5] == 0).all() and (found[5:, 5:] == 9).all()
