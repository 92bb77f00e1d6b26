"""Labelled cells of marked camera fields, found by the runner's own locator."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train.data import field_cells

LABELS = ("lymphocyte", "monocyte")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two drawn fields, one marked, and in it a box where there is nothing."""
    (tmp_path / "f" / "here").mkdir(parents=True)
    rows = ["path,label,x,y,width,height,film,cell"]
    for i in range(2):
        image, truth = drawing.field(np.random.default_rng(i), 5)
        Image.fromarray(image).save(tmp_path / "f" / "here" / f"{i}.png")
        for n, cell in enumerate(truth):
            x, y, side = (round(v) for v in (cell.x - cell.radius, cell.y - cell.radius, 2 * cell.radius))
            rows.append(f"f/here/{i}.png,{cell.kind},{x},{y},{side},{side},film,cell{n}")
    rows.append("f/here/0.png,monocyte,0,0,3,3,film,nowhere")
    (tmp_path / "fields.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_cells_are_found_and_others_left_out(folder: Path) -> None:
    found = field_cells.read(folder, 64, "normalised", LABELS)
    kinds = [truth.kind for i in range(2) for truth in drawing.field(np.random.default_rng(i), 5)[1]]
    wanted = sum(kind in LABELS for kind in kinds)
    assert 0 < len(found.truth) <= wanted < len(kinds) and len(found.truth) >= wanted - 1
    assert found.crops.shape == (len(found.truth), 64, 64, 3) and set(found.sources) == {"here"}
    assert found.missed["here"] == wanted - len(found.truth) + 1, "what isn't there isn't found"
    assert "nowhere" not in found.cells
    dark = (found.crops[:, 28:36, 28:36, 1] < 128).mean(axis=(1, 2))
    assert (dark > 0.5).all(), "a nucleus stands in the middle of each"


def test_a_folder_without_fields_and_an_unreadable_field(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert field_cells.read(empty, 64, "cell", LABELS).crops.shape == (0, 64, 64, 3)
    (folder / "f" / "here" / "1.png").write_text("no picture")
    with pytest.raises(UserError, match=r"1\.png"):
        field_cells.read(folder, 64, "cell", LABELS)
