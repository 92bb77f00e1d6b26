"""`make torture` sees what breaks: errors, hangs and crashes, each by its number; and a few real attempts hold."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

RUNNER = ROOT / "tests" / "torture" / "runner.py"
FAKE = """
import os, time
COUNT, SECONDS = 6, 1
def attempt(random, folder):
    number = len(os.listdir(HOME))
    open(f"{HOME}/{number}", "w").close()
    if number == 1:
        return "a row is lost"
    if number == 2:
        time.sleep(60)
    if number == 3:
        os.abort()
    if number == 4:
        raise ValueError("odd")
"""


def run(runner: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(runner), *arguments],
        capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_whatever_breaks_is_reported_with_its_number(tmp_path: Path) -> None:
    shutil.copy(RUNNER, tmp_path)
    (tmp_path / "seen").mkdir()
    (tmp_path / "tables.py").write_text(f"'Tries what fails.'\nHOME = {str(tmp_path / 'seen')!r}\n{FAKE}")
    reports = ("--json", str(tmp_path / "report.json"), "--report", str(tmp_path / "report.md"))
    done = run(tmp_path / "runner.py", "--kind", "tables", "--seed", "7", *reports)
    assert done.returncode == 1, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    found = report["kinds"]["tables"]
    assert report["seed"] == 7 and found["attempts"] == 6 and set(found["broke"]) == {"1", "2", "3", "4"}
    assert found["broke"]["1"] == "a row is lost" and "didn't end within 1 s" in found["broke"]["2"]
    assert "SIGABRT" in found["broke"]["3"] and found["broke"]["4"] == "ValueError: odd"
    assert "--seed 7 --kind tables --only 3" in done.stdout
    assert report["commit"] and report["date"] and report["machine"]
    words = (tmp_path / "report.md").read_text()
    assert f"commit {report['commit']}, {report['date']}, seed 7" in words
    assert "| tables | Tries what fails | 6 | 4 |" in words
    assert "- `--seed 7 --kind tables --only 4`: ValueError: odd" in words and "Nothing failed" not in words


@pytest.mark.parametrize("kind", ["pictures", "models", "profiles", "tables", "pages", "faults"])
def test_a_few_real_attempts_hold(kind: str) -> None:
    done = run(RUNNER, "--kind", kind, "--share", "0.002", "--patience", "10")
    assert done.returncode == 0, done.stdout
