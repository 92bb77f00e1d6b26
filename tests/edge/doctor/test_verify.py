"""Does `edge-classify --verify` count the samples of both files, and stop at one that can't be opened?"""

import sys
from pathlib import Path

import pytest
from model_files import unsealed

from edge import locate
from edge.doctor.verify import verify, verify_files
from edge.errors import UserError
from edge.system import apart


def test_the_samples_of_both_files_are_counted() -> None:
    files = verify()
    assert [each.name for each in files] == ["model", "locator"]
    assert all(each.count == each.right > 0 and not each.error for each in files)


def test_a_file_that_is_not_shipped_is_verified_in_a_process_of_its_own(tiny_model: Path, tmp_path: Path) -> None:
    classifier, _ = verify(tiny_model)
    assert (classifier.right, classifier.count, classifier.unprotected) == (4, 4, "")
    old = unsealed(tiny_model, tmp_path / "old.tflite")
    classifier, _ = verify(old)
    assert classifier.right == 4 and f"{old} was made before" in classifier.unprotected
    (tmp_path / "text.tflite").write_text("text")
    with pytest.raises(UserError, match="not a TFLite model"):
        verify(tmp_path / "text.tflite")


def test_a_file_that_crashes_the_runtime_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of its own runs a program that aborts, as the runtime does with some forged files."""
    script = [sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr(apart, "command", lambda *_: script)
    with pytest.raises(UserError, match=r"a.tflite crashes what runs it \(SIGABRT\), so it is forged or damaged"):
        verify(tmp_path / "a.tflite")


def test_a_damaged_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locator.tflite").write_bytes(locate.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(locate, "SHIPPED", tmp_path / "locator.tflite")
    classifier, locator = verify_files()
    assert classifier.right == classifier.count and locator.error and not locator.count
    with pytest.raises(UserError, match="no readable contract"):
        verify()
