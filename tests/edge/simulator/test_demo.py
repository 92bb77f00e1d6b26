"""`python -m edge.simulator`: the pictures of `make demo`."""

from pathlib import Path

import numpy as np
from conftest import assert_refused, command
from PIL import Image

from edge.simulator import demo


def test_the_command_draws_cells_and_fields(tmp_path: Path) -> None:
    done = command("edge.simulator", tmp_path / "demo", "--count", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"6 drawn pictures (drawings, not blood) are in {tmp_path / 'demo'}\n"
    kinds = ("field", "lymphocyte", "monocyte")
    assert sorted(file.name for file in (tmp_path / "demo").iterdir()) == [
        f"drawn-{kind}-{i}.png" for kind in kinds for i in (1, 2)
    ]


def test_the_same_seed_draws_the_same_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert demo.draw(tmp_path / name, 1, seed) == 3
    a, b, c = (np.asarray(Image.open(tmp_path / name / "drawn-field-1.png")) for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(command("edge.simulator", tmp_path / "file" / "demo"), "Can't write", "Not a directory")
