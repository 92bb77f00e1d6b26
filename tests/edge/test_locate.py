"""The locator on drawn fields, on difficult pictures, and on real fields."""

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge import frames
from edge.cell import Cell, centre_distance, single, whole_image
from edge.frames import Frame
from edge.locate import (
    FILL,
    SHIPPED,
    Locator,
    Nucleus,
    joined,
    nuclei,
    red_cell_estimate,
    ruler_mark,
    shrink,
    unpacked,
)
from edge.model import File
from edge.simulator import drawing


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator()


def frame(image: np.ndarray) -> Frame:
    return Frame(image, "test", 0, 0.0)


def near(cell: Cell, truth: drawing.Truth) -> bool:
    return bool(np.hypot(cell.centre[0] - truth.x, cell.centre[1] - truth.y) < truth.radius)


def test_each_white_cell_of_drawn_fields_is_found_once(locator: Locator) -> None:
    """Lymphocytes, monocytes and lobed neutrophils, each found once; red cells, platelets and dirt not at all."""
    rng = np.random.default_rng(11)
    found = drawn = 0
    for _ in range(20):
        image, truth = drawing.field(rng, 4)
        cells = locator.cells(frame(image))
        drawn += len(truth)
        found += sum(sum(near(c, t) for c in cells) == 1 for t in truth)
        assert sum(not any(near(c, t) for t in truth) for c in cells) == 0
    assert found >= 0.97 * drawn


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5])
def test_sizes_and_places_scale_with_the_picture(locator: Locator, scale: float) -> None:
    image, truth = drawing.field(np.random.default_rng(4), 1)
    size = (round(640 * scale), round(480 * scale))
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    (cell,) = locator.cells(frame(picture))
    assert np.hypot(cell.centre[0] / scale - truth[0].x, cell.centre[1] / scale - truth[0].y) < 0.5 * truth[0].radius
    assert 0.6 < cell.diameter / scale / (2 * truth[0].radius) < 1.6
    x, y, w, h = cell.box
    assert x >= 0 and y >= 0 and x + w <= size[0] and y + h <= size[1]
    assert not cell.at_border and 0.5 < cell.score <= 1


@pytest.mark.parametrize("diameter", [24, 40, 90])
def test_the_red_cells_are_measured(locator: Locator, diameter: int) -> None:
    """They are measured rightly whichever white cells are in the field."""
    image, _ = drawing.field(np.random.default_rng(3), 2, look=drawing.Look(red_cell=diameter))
    assert locator.locate(frame(image)).measure(None).diameter == pytest.approx(diameter, rel=0.25)


def test_the_estimate_inverts_the_code_that_the_network_was_taught() -> None:
    for diameter in (4, 17.3, 52, 256):
        level = round(255 * ruler_mark(diameter))
        assert red_cell_estimate(np.full((9, 7), level, np.uint8)) == pytest.approx(diameter, rel=0.01)
    assert ruler_mark(1) == 0 and ruler_mark(900) == 1


def test_a_wrong_ruler_is_corrected_by_the_size_of_the_nucleus(locator: Locator) -> None:
    """The picture shows only a nucleus, so there are no red cells to measure."""
    ys, xs = np.mgrid[:256, :256]
    image = np.where((np.hypot(xs - 128, ys - 128) < 90)[..., None], [90, 50, 130], [225, 215, 210]).astype(np.uint8)
    for cell in locator.cells(frame(image)):
        assert cell.nucleus / 2.61 <= cell.red_cell <= cell.nucleus / 0.69


def test_a_cell_cut_by_the_border_is_reported_as_such(locator: Locator) -> None:
    image, truth = drawing.field(np.random.default_rng(4), 1)
    edge = int(truth[0].x)
    cells = locator.cells(frame(np.ascontiguousarray(image[:, edge:])))
    assert len(cells) == 1 and cells[0].at_border and cells[0].box[0] == 0


def test_a_cell_that_fills_the_picture_is_found(locator: Locator) -> None:
    image = drawing.picture("lymphocyte", np.random.default_rng(0), 256, drawing.Look(red_cell=150))
    cells = locator.cells(frame(image))
    assert len(cells) == 1 and centre_distance(cells[0], frame(image)) < 0.1


def test_nothing_is_found_where_there_is_no_cell(locator: Locator) -> None:
    image, _ = drawing.field(np.random.default_rng(1), 0)
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((450, 440, 600, 448), fill="black")
    draw.text((490, 420), "10 um", "black")
    for shown in (image, np.asarray(picture)):
        assert locator.cells(frame(shown)) == []


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (640, 480), (3, 900)])
def test_nothing_is_found_in_a_picture_of_one_colour(locator: Locator, level: int, size: tuple[int, int]) -> None:
    assert locator.cells(frame(np.full((size[1], size[0], 3), level, np.uint8))) == []


def test_nothing_is_found_in_noise(locator: Locator) -> None:
    rng = np.random.default_rng(0)
    for size in (16, 300, 1000):
        cells = locator.cells(frame(rng.integers(0, 256, (size, size, 3), np.uint8)))
        assert len(cells) <= 1


def test_a_large_picture_takes_bounded_memory(locator: Locator) -> None:
    image = np.full((6000, 8000, 3), 200, np.uint8)
    image[3000:3300, 4000:4300] = (80, 30, 110)
    tracemalloc.start()
    locator.cells(frame(image))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_the_square_graph_gives_the_bytes_of_the_files_first_one(locator: Locator) -> None:
    """Other programs run the first graph, which takes and gives uint8."""
    rng, first = np.random.default_rng(0), File(SHIPPED)
    for field in (rng.integers(0, 256, (320, 320, 3), np.uint8), drawing.field(rng, 3, shape=(320, 320))[0]):
        assert np.array_equal(locator.raw(field), first.raw(field))


@pytest.mark.parametrize("shape", [(240, 320), (200, 320), (180, 320), (90, 320), (256, 254), (320, 240)])
def test_a_field_of_any_shape_is_marked_as_in_the_square(locator: Locator, shape: tuple[int, int]) -> None:
    rng, first = np.random.default_rng(5), File(SHIPPED)
    alike = either = 0
    for _ in range(5):
        field = drawing.field(rng, 3, shape=shape, look=drawing.Look(red_cell=24))[0]
        square = np.full((320, 320, 3), FILL, np.uint8)
        square[: shape[0], : shape[1]] = field
        joined = first.raw(square)
        expected = unpacked(joined[..., :-1], joined[..., -1:])[0][: shape[0] // 2, : shape[1] // 2] >= 128
        marks, codes = locator.marked(field)
        assert marks.shape == expected.shape and codes.shape == (-(-shape[0] // 4), -(-shape[1] // 4))
        alike, either = alike + ((marks >= 128) & expected).sum(), either + ((marks >= 128) | expected).sum()
    assert either and alike >= 0.97 * either


def test_shrink() -> None:
    for height, width in ((480, 640), (900, 1440), (254, 256), (1, 5000), (33, 7)):
        small = shrink(np.full((height, width, 3), 9, np.uint8), 320)
        assert max(small.shape[:2]) == min(320, max(height, width)) and min(small.shape[:2]) >= 1 and (small == 9).all()


def test_nuclei_are_located_more_finely_than_the_pixel_grid() -> None:
    marks = np.zeros((40, 60), np.uint8)
    marks[10:20, 20:30] = 255
    marks[10:20, 30] = 128  # half as certain on the right
    marks[30, 50] = 255  # a speck
    (one,) = nuclei(marks)
    assert (one.x, one.y) == (pytest.approx((24.5 * 100 * 255 + 30 * 10 * 128) / (100 * 255 + 10 * 128)), 14.5)
    assert one.marked and not one.touches and 0.9 < one.score < 1
    assert one.diameter == pytest.approx(2 * np.sqrt(110 / np.pi))
    marks[30:32, 58:60] = 255
    assert [(n.marked, n.touches) for n in nuclei(marks)] == [(True, False), (False, True)]


def test_a_mark_with_a_neck_is_two_cells_and_an_oval_is_one() -> None:
    ys, xs = np.mgrid[:60, :80]
    discs = [np.hypot(xs - x, ys - 30) <= 11 for x in (25, 45)]
    marks = np.where(discs[0] | discs[1], 250, 0).astype(np.uint8)
    left, right = sorted(nuclei(marks), key=lambda n: n.x)
    assert left.x == pytest.approx(25, abs=1.5) and right.x == pytest.approx(45, abs=1.5)
    oval = np.where(((xs - 40) / 22) ** 2 + ((ys - 30) / 11) ** 2 <= 1, 250, 0).astype(np.uint8)
    assert len(nuclei(oval)) == 1


def test_single_answers_exactly_once() -> None:
    f = frame(np.zeros((100, 100, 3), np.uint8))
    cells = [Cell((0, 0, 9, 9), i, (x, 50.0), 9, 14, 8, False, 1.0) for i, x in enumerate((5.0, 60.0, 90.0))]
    assert single(f, cells) == [cells[1]]
    assert single(f, []) == whole_image(f) and centre_distance(whole_image(f)[0], f) == 0


def test_real_fields(locator: Locator, data: Path) -> None:
    """Checks a sample of the fields that `benchmark locating` measures in full."""
    rows = list(csv.DictReader((data / "fields.csv").open()))
    for source, floor in (("bccd", 0.97), ("chula_rpi", 0.9)):
        chosen = [r for r in rows if f"/{source}/" in r["path"] and r["width"]][::3]
        hit = inside = 0
        for row in chosen:
            f = frames.read(str(data / row["path"]))
            assert isinstance(f, Frame)
            x, y, w, h = (int(row[k]) for k in ("x", "y", "width", "height"))
            height, width = f.image.shape[:2]
            if x <= 3 or y <= 3 or x + w >= width - 3 or y + h >= height - 3:
                continue
            inside += 1
            hit += any(x <= c.centre[0] <= x + w and y <= c.centre[1] <= y + h for c in locator.cells(f))
        assert hit >= floor * inside > 0, (source, hit, inside)


def test_lobes_are_one_nucleus_and_neighbours_are_two() -> None:
    def mark(x: float, sure: bool = True) -> Nucleus:
        return Nucleus(x, 50.0, 20.0, sure, False, 0.9)

    (one,) = joined([mark(10), mark(30), mark(50)], reach=25)
    assert one.x == pytest.approx(30, abs=4) and one.y == 50 and 30 < one.diameter < 45
    assert len(joined([mark(10), mark(40)], reach=25)) == 2
    assert len(joined([mark(10), mark(20, sure=False)], reach=25)) == 2
