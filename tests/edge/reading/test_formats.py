"""Which files are opened, and what is said of the others."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import frames
from edge.frames import Unreadable


def error(path: Path) -> str:
    result = frames.read(str(path))
    assert isinstance(result, Unreadable) and result.error.endswith(".") and "\n" not in result.error
    return result.error


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")  # opening it would wait for ever
    assert "a pipe or a device" in error(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    assert "a pipe or a device" in error(tmp_path / "b.png")


def test_no_other_format_is_tried(tmp_path: Path) -> None:
    """Pillow would give PostScript to Ghostscript, whatever the file's name ends with."""
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n{} loop\n")
    assert "not a picture in a format" in error(tmp_path / "a.jpg")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png", "GIF")
    assert "not a picture in a format" in error(tmp_path / "b.png")


def test_a_video_is_told_from_a_damaged_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0")
    (tmp_path / "b.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    assert "--camera" in error(tmp_path / "a.jpg") and "--camera" in error(tmp_path / "b.avi")


def test_heic_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "pip install pillow-heif" in error(tmp_path / "a.jpg")


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    picture = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    heif.from_pillow(Image.fromarray(picture)).save(tmp_path / "a.heic", quality=95)
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.heic").read_bytes())
    for name in ("a.heic", "b.jpg"):
        assert np.abs(frames.load(tmp_path / name).image.astype(int) - picture).max() <= 4
    (tmp_path / "c.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:100])
    assert error(tmp_path / "c.heic")


def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    """In a process of a user without rights, because root may read everything."""
    (tmp_path / "closed").mkdir(mode=0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path(tempfile.gettempdir()) and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(0o755)
    code = (
        f"import os; from edge import frames; os.geteuid() or os.setuid(65534)\n"
        f"[path] = frames.expand([{str(tmp_path)!r}]); print(path, frames.read(path).error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert f"{tmp_path}/closed is a directory that can't be read: Permission denied." in done.stdout, done.stderr


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n")
    assert "Git LFS pointer" in error(tmp_path / "a.jpg")
