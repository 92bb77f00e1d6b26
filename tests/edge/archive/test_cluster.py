"""A cluster of Ray gives the bytes that one process gives. tests/benchmarks/test_archive.py kills parts of one."""

import subprocess
from pathlib import Path

import pytest
from conftest import assert_refused, command

pytest.importorskip("ray", reason="needs the extra archive")

from archive_helpers import answer, draw, files

pytestmark = pytest.mark.slow


def ray_processes() -> set[str]:
    """The numbers of all processes of Ray on this machine."""
    done = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    return {pid for pid, state, name in lines if state[0] != "Z" and ("raylet" in name or name.startswith("ray::"))}


def test_a_cluster_writes_the_same_bytes_and_leaves_no_process(tmp_path: Path) -> None:
    folder, before = draw(tmp_path / "fields", 14), ray_processes()
    done = command("edge.archive", "run", folder, "--out", tmp_path / "out", "--ray", "local", "--jobs", 2)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("17 pictures were answered; 2 could not be read."), done.stderr
    answer(folder, out=tmp_path / "whole")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert ray_processes() <= before


def test_a_cluster_that_is_not_there_is_said(tmp_path: Path) -> None:
    folder = draw(tmp_path / "fields", 2)
    done = command("edge.archive", "run", folder, "--out", tmp_path / "out", "--ray", "127.0.0.1:1")
    assert_refused(done, "127.0.0.1:1", "can't be reached")
    done = command("edge.archive", "run", folder, "--out", tmp_path / "out", "--ray", "127.0.0.1:1", "--jobs", 2)
    assert_refused(done, "leave out --jobs")
