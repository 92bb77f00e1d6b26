"""`edge-site ruler`: is the size of red cells measured, refused where it can't be, drawn for a person, and kept?"""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke
from PIL import Image

from edge import contract
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator
from edge.red_cells import FEWEST
from edge.simulator import drawing
from edge.simulator.drawing import Look
from edge.site import circles
from edge.site import profile as profiles
from edge.site import ruler as rulers
from edge.site.profile import LogitOffset, Profile, Ruler, Site
from edge.site.ruler import Fields, View

SHAPE = (480, 640)
RED_CELL = 40  # pixels, as they are drawn; the ruler calls 0.92 of that a red cell's diameter


def field(seed: int, red_cell: float = RED_CELL, shape: tuple[int, int] = SHAPE) -> Frame:
    drawn, _ = drawing.field(np.random.default_rng(seed), 4, shape=shape, look=Look(red_cell=red_cell))
    return Frame(drawn, f"field {seed}", 0, 0.0)


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawn fields."""
    folder = tmp_path_factory.mktemp("fields")
    for i in range(10):
        Image.fromarray(field(i).image).save(folder / f"{i}.png")
    return folder


def test_ten_fields_measure_what_was_drawn(locator: Locator) -> None:
    fields = Fields(locator)
    for i in range(10):
        fields.add(field(i))
    found = fields.measure()
    ruler = found.ruler
    assert ruler.red_cell == pytest.approx(0.92 * RED_CELL, rel=0.05)
    assert ruler.low < 0.92 * RED_CELL < ruler.high and ruler.high / ruler.low < 1.25
    assert (ruler.width, ruler.height, ruler.pictures) == (640, 480, 10) and found.cells >= 10
    assert fields.measure() == found  # the draws are the same each time


def test_fields_without_red_cells_give_no_ruler(locator: Locator) -> None:
    fields = Fields(locator)
    for seed in range(FEWEST):
        noise = np.random.default_rng(seed).integers(180, 220, (*SHAPE, 3), np.uint8)
        fields.add(Frame(noise, "noise", 0, 0.0))
    with pytest.raises(UserError, match="can't be measured in these 8 pictures"):
        fields.measure()


def test_few_fields_or_two_magnifications_give_no_ruler(locator: Locator) -> None:
    fields = Fields(locator)
    for i in range(FEWEST - 1):
        fields.add(field(i))
    with pytest.raises(UserError, match="7 pictures are too few"):
        fields.measure()
    for i in range(FEWEST):
        fields.add(field(i, 64))
    with pytest.raises(UserError, match="one objective"):
        fields.measure()


def test_pictures_of_two_sizes_are_refused(locator: Locator) -> None:
    fields = Fields(locator)
    fields.add(field(0))
    with pytest.raises(UserError, match="field 1 has 320x240 pixels, and the pictures before it 640x480"):
        fields.add(field(1, shape=(240, 320)))


def test_a_camera_is_asked_for_no_more_than_it_takes(locator: Locator) -> None:
    fields = Fields(locator)
    fields.add(field(0))
    assert not fields.enough()
    fields.seen *= 20  # twenty equal fields, which don't scatter
    assert fields.enough()


def test_a_given_scale_is_the_ruler() -> None:
    """A scale bar of 20 micrometres is 105 pixels wide in fields of chula_rbc12, where red cells measure 36.0."""
    ruler = rulers.given(20 / 105, (640, 480))
    assert ruler == Ruler(ruler.red_cell, ruler.red_cell, ruler.red_cell, 640, 480, 0)
    assert ruler.red_cell == pytest.approx(36.0, rel=0.02)
    assert str(ruler) == "red cells of 36.2 pixels in pictures of 640x480"
    for wrong in (1e-6, 10.0):
        with pytest.raises(UserError, match="check the number"):
            rulers.given(wrong, (640, 480))


def test_circles_lie_on_red_cells(locator: Locator) -> None:
    """Of a size that is 30 % off, hardly any red cell is."""
    frame = field(3)
    view = View(frame, locator.locate(frame))
    right = circles.red_cells(view, 0.92 * RED_CELL)
    assert len(right) >= 3
    green = frame.image[..., 1].astype(int)
    light = np.percentile(green, 95)
    for x, y in right:
        assert green[round(y), round(x)] < light - 15
        assert all(np.hypot(x - each.x, y - each.y) > each.diameter / 2 for each in view.located.nuclei)
    sheet = circles.sheet([view], Ruler(0.92 * RED_CELL, 35, 40, 640, 480, 10))
    blue = (np.asarray(sheet) == circles._COLOUR).all(axis=2).sum()
    assert blue > 3 * 100 and min(sheet.size) > 500


def test_a_field_without_red_cells_gets_a_circle_in_its_middle(locator: Locator) -> None:
    frame = Frame(np.full((*SHAPE, 3), 200, np.uint8), "empty", 0, 0.0)
    sheet = circles.sheet([View(frame, locator.locate(frame))], Ruler(40, 38, 42, 640, 480, 10))
    ys, xs = np.nonzero((np.asarray(sheet) == circles._COLOUR).all(axis=2))
    assert xs.mean() == pytest.approx(sheet.width / 2, abs=3) and ys.mean() == pytest.approx(
        sheet.height / 2, abs=circles._TEXT
    )


def test_the_command_writes_a_profile_and_a_picture(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    done = invoke("edge.site", "ruler", pictures, "--out", out)
    assert done.returncode == 0, done.stderr
    ruler = profiles.read(out).ruler
    assert ruler and f"Measured: {ruler}" in done.stdout and "10 pictures" in done.stdout
    with Image.open(tmp_path / "site.png") as picture:
        assert picture.format == "PNG"
    assert_refused(invoke("edge.site", "ruler", pictures, "--out", out), "exists already")
    given = tmp_path / "given.json"
    done = invoke("edge.site", "ruler", pictures, "--micrometres-per-pixel", 0.12, "--out", given)
    assert done.returncode == 0 and "red cells of about 37 pixels: check the number" in done.stderr, done.stderr
    found = profiles.read(given).ruler
    assert found and found.pictures == 0 and found.red_cell == pytest.approx(57.5)


def test_the_command_keeps_what_a_profile_learned(pictures: Path, tmp_path: Path) -> None:
    decision = contract.Decision(1.0, risks={})
    learned = Profile("0" * 64, {"lymphocyte": 20, "monocyte": 20}, LogitOffset(1.0), LogitOffset(), decision)
    profiles.write(Site(learned), tmp_path / "old.json")
    out = tmp_path / "new.json"
    picture = tmp_path / "look.png"
    done = invoke("edge.site", "ruler", pictures, "--site", tmp_path / "old.json", "--out", out, "--picture", picture)
    assert done.returncode == 0, done.stderr
    found = profiles.read(out)
    assert found.profile == learned and found.ruler and picture.exists()
    assert profiles.read(tmp_path / "old.json") == Site(learned)


def test_the_command_says_what_it_needs(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    assert_refused(invoke("edge.site", "ruler", "--out", out), "either pictures or --camera")
    assert_refused(invoke("edge.site", "ruler", pictures, "--out", out, "--picture", out), "name two files")
    assert_refused(invoke("edge.site", "ruler", pictures / "1.png", "--out", out), "1 pictures are too few")
    assert_refused(invoke("edge.site", "ruler", tmp_path / "absent", "--out", out), "No pictures")
    assert_refused(invoke("edge.site", "ruler", pictures, "--out", out, "--site", pictures / "1.png"), "site profile")
    assert not out.exists()


def test_edge_classify_uses_the_ruler_unless_told_otherwise(pictures: Path, tmp_path: Path) -> None:
    """It says in a sentence that a ruler 30 % too large doesn't fit, and then gives no name by it alone."""
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    profiles.write(Site(ruler=Ruler(36.5, 35, 38, 640, 480, 10)), right)
    profiles.write(Site(ruler=Ruler(48.0, 46, 50, 640, 480, 10)), wrong)

    def rows(*options: object) -> tuple[list[dict], str]:
        done = invoke("edge", pictures, "--json", "-", *options)
        assert done.returncode == 0, done.stderr
        return [row for row in map(json.loads, done.stdout.splitlines()) if row.get("cells") != 0], done.stderr

    found, said = rows("--site", right)
    assert {row["red_cell"] for row in found} == {36.5} and "doesn't fit" not in said
    assert "has a ruler, red cells of 36.5 pixels (35.0 to 38.0) in pictures of 640x480" in said
    found, said = rows("--site", wrong)
    assert "The profile's ruler doesn't fit these pictures: a red cell has 48 pixels by it, but they show 3" in said
    assert all(row["red_cell_uncertainty"] >= 0.2 for row in found)
    alone, _ = rows()
    assert rows("--site", wrong, "--ruler", "run")[0] == alone
    found, said = rows("--site", wrong, "--ruler", 36)
    assert {row["red_cell"] for row in found} == {36.0} and "doesn't fit" not in said
