"""Is a file whole or absent?"""

from pathlib import Path

import pytest

from edge.system.whole import write_whole


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())
