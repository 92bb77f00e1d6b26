"""Wide fields are located in tiles, each cell once; other fields are looked at once, as ever."""

import csv
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edge import classify, frames
from edge.cli import main
from edge.field import wide
from edge.frames import Frame
from edge.locate import Located, Locator
from edge.red_cells import RedCellRuler
from edge.simulator import drawing

SIDE = 4  # drawn fields along each side of a mosaic, which is then 70 red cells wide


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator()


def mosaic(seed: int, side: int = SIDE, cells: int = 2) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
    """Drawn fields side by side -> the picture, and x, y and radius of each white cell."""
    rng = np.random.default_rng(seed)
    drawn = [[drawing.field(rng, cells) for _ in range(side)] for _ in range(side)]
    truth = [
        (t.x + 640 * column, t.y + 480 * row, t.radius)
        for row, fields in enumerate(drawn)
        for column, (_, there) in enumerate(fields)
        for t in there
    ]
    return np.vstack([np.hstack([image for image, _ in row]) for row in drawn]), truth


def near(located: Located, x: float, y: float, radius: float) -> int:
    return sum(math.hypot(n.x - x, n.y - y) < radius for n in located.nuclei)


def test_each_white_cell_of_a_wide_field_is_found_once(locator: Locator) -> None:
    image, truth = mosaic(1)
    frame = Frame(image, "test", 0, 0.0)
    located, at_once = locator.locate(frame), locator.see(frame)
    counts = [near(located, *each) for each in truth]
    assert counts.count(1) >= 0.95 * len(truth) and max(counts) == 1
    assert sum(near(at_once, *each) for each in truth) < 0.75 * len(truth)  # at once, many are missed
    assert len(located.nuclei) <= len(truth) + 1
    assert located.measure(None).diameter == pytest.approx(37, rel=0.15)
    places = [(n.y, n.x) for n in located.nuclei]
    assert places == sorted(places)


def test_a_field_whose_red_cells_are_large_enough_is_looked_at_once(
    locator: Locator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Located:
        raise AssertionError("a tile was looked at")

    fields = [frames.load(file) for file in sorted((data / "fields" / "bccd").glob("*.jpg"))[::40]]
    fields.append(Frame(drawing.field(np.random.default_rng(0), 3)[0], "test", 0, 0.0))
    monkeypatch.setattr(wide, "_in_tiles", never)
    monkeypatch.setattr(wide, "_together", never)
    for field in fields:
        assert locator.locate(field).scale == max(field.width, field.height) / 320


def test_rings_in_red_cells_out_of_focus_are_no_small_cells(locator: Locator, data: Path) -> None:
    """Their insides are outlined at each scale, but tiles of that size show no further white cell."""
    frame = frames.load(data / "fields" / "chula_rpi" / "N-2B_0338.jpg")
    assert locator.locate(frame).nuclei == locator.see(frame).nuclei and len(locator.see(frame).nuclei) == 1


def test_real_fields_of_low_magnification(locator: Locator, data: Path) -> None:
    """Fields of pig_warty are 40 red cells wide; without tiles and the black round them, an eighth is found."""
    rows = [
        row for row in csv.DictReader((data / "fields.csv").open()) if "/pig_warty/" in row["path"] and row["width"]
    ]
    hits = 0
    chosen = rows[::20]
    for row in chosen:
        x, y, w, h = (int(row[k]) for k in ("x", "y", "width", "height"))
        located = locator.locate(frames.load(data / row["path"]))
        hits += any(x <= n.x <= x + w and y <= n.y <= y + h for n in located.nuclei)
    assert hits >= 0.6 * len(chosen)


def test_tiles_cover_a_field_and_overlap() -> None:
    for field in ((0, 0, 1000, 700), (30, 40, 351, 361), (0, 0, 320, 90), (5, 5, 2000, 60)):
        boxes = wide._boxes(field, 320, 250)
        covered = np.zeros((field[3], field[2]), bool)
        for left, top, right, bottom in boxes:
            assert field[0] <= left < right <= field[2] and field[1] <= top < bottom <= field[3]
            covered[top:bottom, left:right] = True
        assert covered[field[1] :, field[0] :].all()
        columns = sorted({box[0] for box in boxes})
        assert all(b - a <= 250 for a, b in pairwise(columns))
    assert len(wide._boxes((0, 0, 9000, 9000), 320, 320, 3)) == 9
    assert len(wide._boxes((0, 0, 320, 320), 320, 250)) == 1


def test_wide_fields_of_one_microscope_share_a_ruler(locator: Locator) -> None:
    ruler = RedCellRuler()
    located = [locator.locate(Frame(mosaic(seed, 2)[0], "test", 0, 0.0)).without_trace() for seed in range(8)]
    for each in located:
        ruler.add(each.red_cells)
    assert len({each.scale for each in located}) == 1
    diameters = {each.measure(ruler).diameter for each in located}
    assert len(diameters) == 1 and diameters.pop() == pytest.approx(37, rel=0.15)


def test_cells_that_are_too_small_are_called_that(tmp_path: Path, locator: Locator) -> None:
    image, _ = mosaic(2)
    small = Image.fromarray(image).resize((image.shape[1] * 5 // 37, image.shape[0] * 5 // 37), Image.Resampling.BOX)
    located = locator.locate(Frame(np.asarray(small), "test", 0, 0.0))
    assert located.too_small == pytest.approx(5, rel=0.15) and "5 pixels wide" in located.doubt
    found = classify.find(Frame(np.asarray(small), "test", 0, 0.0), "normalised", locator)
    assert found.doubt == located.doubt and all(cell.doubt == located.doubt for cell in found.cells)
    empty = Image.fromarray(mosaic(2, cells=0)[0])
    empty.resize((empty.width * 5 // 37, empty.height * 5 // 37), Image.Resampling.BOX).save(tmp_path / "small.png")
    done = CliRunner().invoke(main, [str(tmp_path / "small.png"), "--csv", str(tmp_path / "table.csv")])
    assert done.exit_code == 0 and "1 picture with cells too small to be judged" in done.stderr
    assert "too small" in done.stdout and "5 pixels wide" in (tmp_path / "table.csv").read_text()
