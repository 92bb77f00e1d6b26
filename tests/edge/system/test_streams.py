"""Standard input, output and error that are closed, or that lead to a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PICTURE = str(ROOT / "docs" / "drawn-monocyte-3.annotated.jpg")


def shell(redirected: str, *arguments: object, module: str = "edge") -> subprocess.CompletedProcess[str]:
    """Runs a command with redirected streams, as a shell does."""
    line = f'"$0" -m {module} "$@" {redirected}'
    words = ["sh", "-c", line, sys.executable, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_the_work_goes_on(redirected: str, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    done = shell(redirected, PICTURE, "--whole-image", "--csv", table)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert len(table.read_text().splitlines()) == 2, "the answer alone, without what libraries print"


@pytest.mark.parametrize("redirected", ["2>/dev/full", ">&- 2>&- <&-"])
def test_a_run_at_the_camera_goes_on(redirected: str, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    done = shell(redirected, "--camera", "sim", "--cells", 1, "--csv", table)
    assert done.returncode == 0 and len(table.read_text().splitlines()) == 2, done.stderr


@pytest.mark.parametrize(
    ("redirected", "arguments", "words"),
    [
        (">/dev/full", (PICTURE,), "Can't write standard output: No space left"),
        (">/dev/full", (PICTURE, "--json", "-"), "Can't write standard output: No space left"),
        (">/dev/full", ("--help",), "Can't write standard output: No space left"),
        (">&-", (PICTURE, "--json", "-"), "Standard output is closed"),
        ("<&-", ("-",), "Standard input is closed"),
    ],
)
def test_what_can_not_be_done_is_said(redirected: str, arguments: tuple[str, ...], words: str) -> None:
    done = shell(redirected, *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "module", ["edge", "edge.site.cli", "edge.doctor.cli", "edge.simulator", "train", "convert", "benchmarks"]
)
def test_h_is_help(module: str) -> None:
    done = shell("", "-h", module=module)
    assert done.returncode == 0 and done.stdout.startswith("Usage:") and "-h, --help" in done.stdout


def test_a_name_that_the_terminal_can_not_show_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.png").write_bytes(b"no picture")
    done = subprocess.run(
        [sys.executable, "-m", "edge", str(tmp_path)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 1 and b"caf\\xe9.png" in done.stdout and b"Traceback" not in done.stderr


def test_a_list_of_names_may_hold_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(PICTURE.encode() + b"\ncaf\xe9.png\n")
    done = shell(f"< {tmp_path / 'list'}", "-", "--whole-image")
    assert done.returncode == 1 and "caf\\udce9.png" in done.stdout and "Traceback" not in done.stderr
