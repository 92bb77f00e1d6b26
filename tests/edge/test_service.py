"""The systemd unit and the run that it describes. It may write only to one folder, and SIGTERM ends it."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import edge.cli

UNIT = ROOT / "docs" / "edge-classify.service"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser["Service"]


def test_the_options_of_its_command_are_valid() -> None:
    program, *arguments = shlex.split(service()["ExecStart"])
    assert program == "/opt/edge-classify/bin/edge-classify"
    assert edge.cli.main.make_context("test", arguments).params["camera"] == "0"


def test_it_starts_once_the_time_is_right_where_something_waits_for_that() -> None:
    assert "\nAfter=time-sync.target\n" in UNIT.read_text().partition("[Service]")[0]


def test_systemd_accepts_it(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is absent")
    program = service()["ExecStart"].split()[0]
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace(program, "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and UNIT.name not in done.stderr, done.stderr


def test_it_writes_only_its_results_and_ends_at_sigterm(tmp_path: Path) -> None:
    """All file systems, /tmp included, are read-only except for one folder, as with ProtectSystem=strict."""
    camera = "sim:seed=3,width=480,height=360,red_cell=30,fps=15,white=5"
    run = f"{sys.executable} -B -m edge --camera {camera} --csv cells.csv"
    script = f"""
mount -t tmpfs results {tmp_path} && mount -o remount,ro,bind / && cd {tmp_path} && touch here && rm here || exit 9
touch {ROOT}/edge/touched && exit 9
{run} >/dev/null & process=$!
for try in $(seq 600); do [ $(wc -l < cells.csv) -gt 3 ] && break; sleep 0.1; done
kill -TERM $process; wait $process; echo $?; ls -A; tail -n +2 cells.csv"""
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
        capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    code, files, *rows = done.stdout.splitlines()
    assert code == "0" and files == "cells.csv" and "not a medical device" in done.stderr, done.stderr
    assert len(rows) >= 3 and len({row.split(",")[-3] for row in rows}) == len(rows)
