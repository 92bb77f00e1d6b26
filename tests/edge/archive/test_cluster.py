"""A cluster of Ray gives the bytes that one process gives. tests/benchmarks/test_archive.py kills parts of one."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import assert_refused, command

pytest.importorskip("ray", reason="needs the extra archive")

from archive_helpers import ENVIRONMENT, answer, draw, files

pytestmark = pytest.mark.slow


def below(process: int) -> set[int]:
    """The processes below one, those of Ray among them."""
    done = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    lines = (line.split() for line in done.stdout.splitlines())
    parents = {int(pid): int(parent) for pid, parent in lines}
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {process}} - found:
        found |= more
    return found


def end(processes: set[int]) -> bool:
    """Whether all of them end soon. Some of Ray's notice only within a minute that the others are gone."""
    for _ in range(180):
        done = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True)
        states = dict(line.split() for line in done.stdout.splitlines())
        if all(states.get(str(pid), "Z")[0] == "Z" for pid in processes):
            return True
        time.sleep(1)
    return False


@contextmanager
def short_folder() -> Iterator[dict[str, str]]:
    """The environment of a command that starts Ray, with a short folder for its files, since its sockets can't have
    long names. With the folder goes what a killed Ray leaves.
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        yield os.environ | ENVIRONMENT | {"TMPDIR": short}


@contextmanager
def started(folder: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    line = [
        sys.executable,
        "-m",
        "edge.archive",
        "run",
        str(folder),
        "--out",
        str(out),
        "--ray",
        "local",
        "--jobs",
        "2",
    ]
    with (
        short_folder() as environment,
        subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment) as process,
    ):
        yield process


def test_a_cluster_writes_the_same_bytes_and_leaves_no_process(tmp_path: Path) -> None:
    folder, seen = draw(tmp_path / "fields", 14), set[int]()
    with started(folder, tmp_path / "out") as process:
        while process.poll() is None:
            seen |= below(process.pid)
            time.sleep(0.2)
        assert process.stderr
        assert process.stderr.read().startswith("17 pictures were answered; 2 could not be read.")
    answer(folder, out=tmp_path / "whole")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert len(seen) > 3 and end(seen)


def test_a_killed_command_leaves_no_process(tmp_path: Path) -> None:
    with started(draw(tmp_path / "fields", 14), tmp_path / "out") as process:
        while len(seen := below(process.pid)) < 5:
            assert process.poll() is None
            time.sleep(0.2)
        process.kill()
        assert end(seen)


def test_what_was_found_is_said_before_ray_is_left_and_python_is_not_taken_apart_after_it(tmp_path: Path) -> None:
    """Ray's native code crashed in a run whose answers were all written: a part of it ran on after the end."""
    code = (
        "import atexit, ray\nfrom edge.archive.__main__ import run\natexit.register(print, 'taken apart')\n"
        "left = ray.shutdown\nray.shutdown = lambda: (print('left', flush=True), left())\nrun()"
    )
    words = ["run", str(draw(tmp_path / "fields", 4)), "--out", str(tmp_path / "out"), "--ray", "local", "--jobs", "1"]
    with short_folder() as environment:
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=300, env=environment
        )
    assert done.returncode == 1 and "2 could not be read" in done.stderr, done.stderr
    assert done.stdout.startswith("site") and done.stdout.endswith("\nleft\n"), done.stdout


def test_a_cluster_that_is_not_there_is_said(tmp_path: Path) -> None:
    folder = draw(tmp_path / "fields", 2)
    done = command("edge.archive", "run", folder, "--out", tmp_path / "out", "--ray", "127.0.0.1:1")
    assert_refused(done, "127.0.0.1:1", "can't be reached")
    done = command("edge.archive", "run", folder, "--out", tmp_path / "out", "--ray", "127.0.0.1:1", "--jobs", 2)
    assert_refused(done, "leave out --jobs")
