"""`benchmark repeats`: cells that are seen again, in drawn fields that overlap."""

from pathlib import Path

import numpy as np
import pytest
from conftest import fields_table
from PIL import Image

from benchmarks import repeats
from edge.errors import UserError
from edge.simulator import drawing


def test_a_cell_in_two_overlapping_fields_is_recognised(tmp_path: Path) -> None:
    """The second field shows the first in uneven light; the third shows other cells under a name of the first."""
    folder = tmp_path / "fields" / "chula_rpi"
    folder.mkdir(parents=True)
    rows = []
    for name, seed, light in (("a", 3, 0.0), ("b", 3, 0.4), ("c", 4, 0.0)):
        image, truth = drawing.field(np.random.default_rng(seed), 2)
        lit = image * (1 - light * np.linspace(0, 1, image.shape[1]))[None, :, None]
        Image.fromarray(lit.astype(np.uint8)).save(folder / f"{name}.png")
        for number, each in enumerate(truth):
            x, y, side = round(each.x - each.radius), round(each.y - each.radius), round(2 * each.radius)
            rows.append(f"fields/chula_rpi/{name}.png,lymphocyte,{x},{y},{side},{side},film,cell {number}")
    fields_table(tmp_path, rows)
    found = repeats.repeats(tmp_path)["chula_rpi"]
    assert (found.cells, found.recognised.right, found.recognised.count) == (6, 2, 4)
    assert not found.wrong and not found.unknown
    assert found.levels[0].recognised >= 2 and found.levels[0].correlation == 0.5


def test_data_without_such_fields_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no fields of chula_rpi"):
        repeats.repeats(tmp_path)
