"""Does `edge-classify --verify` count the samples of both files, and stop at one that can't be opened?"""

import subprocess
import sys
from pathlib import Path

import pytest
from model_files import unsealed
from PIL import Image

from edge import locate
from edge.doctor.verify import verify, verify_files
from edge.errors import UserError


def test_the_samples_of_both_files_are_counted() -> None:
    files = verify()
    assert [each.name for each in files] == ["model", "locator"]
    assert all(each.count == each.right > 0 and not each.error for each in files)


def test_a_file_that_is_not_shipped_is_verified(tiny_model: Path, tmp_path: Path) -> None:
    classifier, _ = verify(tiny_model)
    assert (classifier.right, classifier.count, classifier.unprotected) == (4, 4, "")
    old = unsealed(tiny_model, tmp_path / "old.tflite")
    classifier, _ = verify(old)
    assert classifier.right == 4 and f"{old} was made before" in classifier.unprotected
    (tmp_path / "text.tflite").write_text("text")
    with pytest.raises(UserError, match="not a TFLite model"):
        verify(tmp_path / "text.tflite")


@pytest.mark.parametrize("arguments", [["--verify"], ["picture.png"]])
@pytest.mark.parametrize(
    ("sample", "words"), [("os.abort()", "crashes what runs it (SIGABRT)"), ("1 / 0", "doesn't run")]
)
def test_a_file_that_crashes_the_runtime_is_a_sentence(
    sample: str, words: str, arguments: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    """Running its samples aborts the process, as the runtime does with some forged files."""
    script = (
        "import os, sys\nfrom edge import model\nfrom edge.cli import main\n"
        f"model.Model.verify = lambda *_: {sample}\n"
        f"main([*{arguments!r}, '--model', {str(tiny_model)!r}])"
    )
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: {tiny_model} {words}, so it is forged or damaged; don't use it.\n"


def test_a_damaged_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locator.tflite").write_bytes(locate.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(locate, "SHIPPED", tmp_path / "locator.tflite")
    classifier, locator = verify_files()
    assert classifier.right == classifier.count and locator.error and not locator.count
    with pytest.raises(UserError, match="no readable contract"):
        verify()
