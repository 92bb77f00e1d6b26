"""Does `edge-classify --verify` count the samples of both files, and stop at one that can't be opened?"""

from pathlib import Path

import pytest

from edge import locate
from edge.doctor.verify import verify, verify_files
from edge.errors import UserError


def test_the_samples_of_both_files_are_counted() -> None:
    files = list(verify_files())
    assert [each.name for each in files] == ["model", "locator"] and all(each.count for each in files)
    assert verify() == (sum(each.right for each in files), sum(each.count for each in files))


def test_a_damaged_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locator.tflite").write_bytes(locate.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(locate, "SHIPPED", tmp_path / "locator.tflite")
    classifier, locator = verify_files()
    assert classifier.right == classifier.count and locator.error and not locator.count
    with pytest.raises(UserError, match="no readable contract"):
        verify()
