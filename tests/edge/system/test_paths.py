"""Nothing is written outside of the folder that the user named."""

from pathlib import Path

import pytest

from edge.errors import UserError
from edge.system.paths import below, clean


def test_plain_names_stay_below(tmp_path: Path) -> None:
    for name in ("raabin", "Müller 2", "a..b", "...", "-x", "x" * 255, "\udcff.png"):
        assert below(tmp_path, "cells", name, "1.png") == tmp_path / "cells" / name / "1.png"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../victim", "/abs", "a/b", "..\\victim", "C:\\x", "a\0", "a\n", "x" * 256]
)
def test_names_that_leave_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="can't be part of a path"):
        below(tmp_path, "cells", name)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jpg").symlink_to(tmp_path / "victim.jpg")
    (tmp_path / "out" / "b.jpg").symlink_to("c.jpg")
    (tmp_path / "link").symlink_to("out")
    assert below(tmp_path / "link", "c.jpg") and below(tmp_path / "out", "b.jpg")
    with pytest.raises(UserError, match="leads out"):
        below(tmp_path / "out", "a.jpg")


def test_printable_names_stay_as_they_are() -> None:
    assert clean("Müller 1-a.png") == "Müller 1-a.png"
    assert clean("a\x1b[31m\x07\n\udcff") == "a_[31m___"
