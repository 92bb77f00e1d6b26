"""What surrounds a field is found and shows no cells; a field without a surround is left as it is."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import classify, frames
from edge.cell import Cell
from edge.crop import crop
from edge.field import surround
from edge.field.outline import Outline, window
from edge.frames import Frame
from edge.live.lit_part import LitPart
from edge.locate import Locator, shrink
from edge.red_cells import RedCellRuler
from edge.simulator import drawing

FIELD, TRUTH = drawing.field(np.random.default_rng(11), 4)
HEIGHT, WIDTH = FIELD.shape[:2]
YS, XS = np.mgrid[:HEIGHT, :WIDTH]


def disc(share: float) -> np.ndarray:
    """A round field. share: of the picture's diagonal."""
    return np.hypot(XS + 0.5 - WIDTH / 2, YS + 0.5 - HEIGHT / 2) <= share * np.hypot(HEIGHT, WIDTH) / 2


def painted(lit: np.ndarray, level: int) -> np.ndarray:
    return np.where(lit[..., None], FIELD, level).astype(np.uint8)


def strip(level: int) -> np.ndarray:
    image = painted(YS < HEIGHT * 0.9, level)
    place, colour = (40, HEIGHT - 12), (255 - level,) * 3
    return cv2.putText(image, "x100 oil 10 um", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, 2)


def soft() -> np.ndarray:
    return (FIELD * cv2.GaussianBlur(disc(0.8).astype(np.float32), (0, 0), 7)[..., None]).astype(np.uint8)


def noisy() -> np.ndarray:
    image = painted(disc(0.8), 12).astype(np.float64)
    return np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def compressed() -> np.ndarray:
    """A white surround with the ripples that JPEG leaves at a rim."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", painted(disc(0.8), 255), [cv2.IMWRITE_JPEG_QUALITY, 75])[1], 1))


def even_corner() -> np.ndarray:
    """A strip below a field whose upper left corner shows even glass."""
    image = strip(0)
    image[:50, :70] = (228, 217, 204)
    return image


MADE: dict[str, tuple[Callable[[], np.ndarray], np.ndarray]] = {
    "bars": (lambda: painted(abs(XS - WIDTH / 2) < WIDTH * 0.45, 0), abs(XS - WIDTH / 2) < WIDTH * 0.45),
    "grey bars": (lambda: painted(abs(YS - HEIGHT / 2) < HEIGHT * 0.4, 114), abs(YS - HEIGHT / 2) < HEIGHT * 0.4),
    "round": (lambda: painted(disc(0.7), 0), disc(0.7)),
    "corners": (lambda: painted(disc(0.9), 0), disc(0.9)),
    "white round": (lambda: painted(disc(0.8), 255), disc(0.8)),
    "soft rim": (soft, disc(0.8)),
    "noise": (noisy, disc(0.8)),
    "strip": (lambda: strip(0), YS < HEIGHT * 0.9),
    "compressed": (compressed, disc(0.8)),
    "even corner": (even_corner, YS < HEIGHT * 0.9),
    "white strip": (lambda: strip(255), YS < HEIGHT * 0.9),
}


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator()


def at(t: drawing.Truth, cells: list[Cell]) -> list[Cell]:
    """The cells that were found at the place of a drawn one."""
    return [c for c in cells if np.hypot(c.centre[0] - t.x, c.centre[1] - t.y) < t.radius]


def found(image: np.ndarray) -> Outline | None:
    small = shrink(image, 320)
    lit = surround.find(small)
    return lit.resized((small.shape[1], small.shape[0]), (image.shape[1], image.shape[0])) if lit else None


@pytest.mark.parametrize("name", MADE)
def test_the_field_is_found_and_its_cells_are_the_same(name: str, locator: Locator) -> None:
    make, lit = MADE[name]
    image = make()
    outline = found(image)
    assert outline
    inside = ~outline.outside(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    assert (inside & lit).sum() >= 0.97 * lit.sum() and not (inside & ~lit)[2:-2, 2:-2].sum() > 0.01 * lit.sum()
    cells = locator.cells(Frame(image, "test", 0, 0.0))
    whole = [t for t in TRUTH if lit[np.hypot(XS - t.x, YS - t.y) <= 1.3 * t.radius].all()]
    assert whole and len(cells) == sum(len(at(t, cells)) for t in TRUTH)
    for t in whole:
        [cell] = at(t, cells)
        assert 0.7 < cell.diameter / (2 * t.radius) < 1.5


def test_a_field_without_surround_has_none(data: Path) -> None:
    """Neither dark cells in a corner, nor pink corners, nor even glass in a corner, nor a scale bar in the field."""
    rng = np.random.default_rng(0)
    images = [FIELD, *(drawing.field(rng, 3)[0] for _ in range(5))]
    images.append(np.where((np.hypot(XS, YS) < 70)[..., None], (50, 20, 90), FIELD).astype(np.uint8))
    images.append(np.where((np.hypot(XS, YS) < 70)[..., None], (25, 10, 40), FIELD).astype(np.uint8))
    images.append(np.where(((XS < 70) & (YS < 50))[..., None], (228, 217, 204), FIELD).astype(np.uint8))
    for source in ("bccd", "chula_rpi", "chula_rbc12", "krd_wbc"):
        images += [frames.load(file).image for file in sorted((data / "fields" / source).glob("*.jpg"))[::20]]
    assert not [number for number, image in enumerate(images) if found(image)]


def test_a_round_field_of_a_real_microscope_is_found(data: Path) -> None:
    for file in sorted((data / "fields" / "pig_warty").glob("*"))[::12]:
        image = frames.load(file).image
        outline = found(image)
        assert outline and not outline.holds(8, 8) and outline.holds(image.shape[1] / 2, image.shape[0] / 2, 170)


def test_a_cell_at_the_rim_is_cut_and_a_cell_near_it_sees_no_black(locator: Locator) -> None:
    t = sorted(TRUTH, key=lambda t: t.x)[-2]
    plain = Frame(FIELD, "test", 0, 0.0)
    near = Frame(painted(t.x + 1.4 * t.radius > XS, 0), "test", 0, 0.0)
    [whole], [cell] = (at(t, locator.cells(each)) for each in (plain, near))
    assert cell.lit and not cell.at_border
    for policy in ("cell", "normalised"):
        seen, expected = crop(near, cell, 64, policy), crop(plain, whole, 64, policy)
        assert seen[24:40, -2:].min() >= 200, policy  # the bar counts as beyond the picture: white, not black
        assert abs(seen[24:40, 24:40].astype(int) - expected[24:40, 24:40]).mean() < 25, policy
    cut = Frame(painted(t.x > XS, 0), "test", 0, 0.0)
    [cell] = [c for c in locator.cells(cut) if abs(c.centre[1] - t.y) < t.radius]
    assert cell.at_border and cell.box[0] + cell.box[2] <= t.x


def test_red_cells_are_measured_as_without_the_surround(locator: Locator) -> None:
    plain = locator.locate(Frame(FIELD, "test", 0, 0.0)).measure(None)
    for name, (make, _) in MADE.items():
        assert locator.locate(Frame(make(), "test", 0, 0.0)).measure(None).diameter == pytest.approx(
            plain.diameter, rel=0.12
        ), name


def test_pictures_with_and_without_bars_are_measured_in_pixels_of_the_picture(locator: Locator) -> None:
    """A run of one microscope in which the bars come and go has one ruler."""
    rng = np.random.default_rng(5)
    ruler = RedCellRuler()
    located = []
    for number in range(16):
        image, _ = drawing.field(rng, 2)
        if number % 2:
            image = np.pad(image, ((0, 0), (160, 160), (0, 0)))
        located.append(locator.locate(Frame(image, "test", 0, 0.0)))
        ruler.add(located[-1].red_cells)
    one, other = (each.measure(ruler).diameter for each in located[:2])
    assert one == pytest.approx(other, rel=0.1)


def test_the_outline_of_a_disc() -> None:
    places = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = Outline(tuple((50 + 40 * float(np.cos(a)), 50 + 40 * float(np.sin(a))) for a in places))
    assert outline.box == (10, 10, 90, 90) and outline.holds(50, 50, 39) and not outline.holds(50, 50, 41)
    assert not outline.covers(20, 20, 80, 80) and outline.covers(25, 25, 75, 75)
    ys, xs = np.mgrid[:100, :100] + 0.5
    outside = outline.outside(xs[0], ys[:, 0])
    assert (outside == [[not outline.holds(x, y) for x in xs[0]] for y in ys[:, 0]]).all()
    frame = Frame(np.where(outside[..., None], 0, 200).astype(np.uint8), "test", 0, 0.0)
    assert (window(frame, outline, (-5, -5, 60, 60)) == 200).all() and (window(frame, None, (0, 0, 9, 9)) == 0).all()
    assert outline.resized((100, 100), (200, 50)).box == (20, 5, 180, 45)


def test_cells_do_not_depend_on_the_surround(locator: Locator) -> None:
    """One picture alone, by the whole path: they are found at the same places."""
    cells: list[list[Cell]] = []
    for image in (FIELD, np.pad(FIELD, ((60, 60), (120, 120), (0, 0)))):
        cells.append(list(classify.find(Frame(image, "test", 0, 0.0), "normalised", locator).cells))
    assert len(cells[0]) == len(cells[1]) == len(TRUTH)
    for one, other in zip(*cells, strict=True):
        assert other.centre == pytest.approx((one.centre[0] + 120, one.centre[1] + 60), abs=2)


def test_a_camera_s_bars_are_cut_off() -> None:
    part = LitPart()
    image = np.pad(FIELD, ((0, 0), (80, 80), (0, 0)))
    for _ in range(2):
        frame = part.cut(Frame(image, "test", 0, 0.0))
        assert abs(frame.width - WIDTH) <= 8 and frame.image.max(axis=2).min() > 0
    assert part.cut(Frame(FIELD, "test", 0, 0.0)).image is FIELD
