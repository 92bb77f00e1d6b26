"""The service's MemoryMax and the code agree: under it, a picture is answered, or refused before it is decoded.

The command runs under RLIMIT_DATA, which counts what a process allocates, as MemoryMax does. RLIMIT_AS (`ulimit -v`)
would also count the gigabytes of addresses that libraries reserve and never use.
"""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

from edge.reading import formats
from edge.system import memory

UNIT = (ROOT / "docs" / "edge-classify.service").read_text()
LIMIT = int(re.findall(r"^MemoryMax=(\d+)M$", UNIT, re.MULTILINE)[0]) << 20  # bytes


def limited(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs edge-classify in a process that may allocate no more than the service."""
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        capture_output=True, text=True, timeout=200, env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )  # fmt: skip


def tall(mode: str, needed: int, path: Path) -> Path:
    """A picture of which all that is allowed can just be read. needed: bytes per pixel."""
    height = (LIMIT - formats._ALL_ELSE) // needed // 6000
    Image.new(mode, (6000, height), "white" if mode != "I;16" else 60000).save(path, compress_level=1)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "options"), [("RGB", ("--annotate", "{out}")), ("RGBA", ("--single",)), ("L", ("--ruler", "5000"))]
)
def test_the_largest_picture_that_is_read_fits_into_the_memory(
    mode: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    for name in "abc":  # one is still held while the next is read
        tall(mode, formats._NEEDED, tmp_path / f"{name}.png")
    done = limited(tmp_path, *(each.format(out=tmp_path / "out") for each in options))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
def test_so_it_does_in_a_run_at_the_camera(tmp_path: Path) -> None:
    for name in "abc":
        tall("RGB", formats._NEEDED, tmp_path / f"{name}.png")
    done = limited("--camera", tmp_path, "--csv", tmp_path / "a.csv")
    assert done.returncode == 0 and "3 frames" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_deep_picture_fits_into_the_memory(tmp_path: Path) -> None:
    done = limited(tall("I;16", formats._NEEDED_DEEP, tmp_path / "a.png"))
    assert done.returncode == 0, done.stderr


def test_a_larger_picture_is_refused_in_a_sentence_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (8000, 8000), 1).save(tmp_path / "a.png")
    done = limited(tmp_path / "a.png")
    assert done.returncode == 1 and "780 MB of memory are needed; this process may use 419 MB" in done.stderr


@pytest.mark.parametrize("size", [(1, 64_000_000), (1_000_000, 40)])
def test_a_very_long_picture_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("1", size, 1).save(tmp_path / "a.png")
    done = limited(tmp_path / "a.png", "--annotate", tmp_path)
    assert done.returncode == 1 and "no side may have more than 65535" in done.stderr


def test_a_ruler_larger_than_the_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "a.png")
    done = limited(tmp_path / "a.png", "--ruler", 10000)
    assert done.returncode == 1 and "shows no red cell of 10000; correct --ruler" in done.stderr


def test_the_limit_of_a_service_is_found(tmp_path: Path) -> None:
    own = tmp_path / "system.slice" / "edge-classify.service"
    own.mkdir(parents=True)
    (own / "memory.max").write_text("max\n")
    (tmp_path / "own").write_text("1:name=systemd:/\n0::/system.slice/edge-classify.service\n")
    assert memory.limit(tmp_path, tmp_path / "own") == memory.limit(tmp_path, tmp_path / "none")
    (own.parent / "memory.max").write_text("10000000\n")
    assert memory.limit(tmp_path, tmp_path / "own") == 10_000_000
    (own / "memory.max").write_text("2000000\n")
    assert memory.limit(tmp_path, tmp_path / "own") == 2_000_000
