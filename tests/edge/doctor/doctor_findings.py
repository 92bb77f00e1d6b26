"""Runs `edge-doctor` and reads its findings, for several tests of edge/doctor."""

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, assert_fits

from edge.doctor.finding import Finding, worst


def run(command: list[object], **environment: str) -> subprocess.CompletedProcess[str]:
    everything = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(list(map(str, command)), env=everything, capture_output=True, text=True, timeout=120)


def findings(done: subprocess.CompletedProcess[str]) -> tuple[int, dict[str, Finding]]:
    """The exit code, and the findings by name."""
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert_fits(document, "doctor")
    found = {row["name"]: Finding(**row) for row in document["findings"]}
    assert document["state"] == worst(list(found.values()))
    return done.returncode, found


def doctor(
    *arguments: object, python: Path | str = sys.executable, **environment: str
) -> tuple[int, dict[str, Finding]]:
    """Runs the command; returns its exit code, and its findings by name."""
    return findings(run([python, "-m", "edge.doctor.cli", "--seconds", 0, "--json", *arguments], **environment))


def bad(found: Finding, sentence: str, remedy: str) -> None:
    """Asserts that something must be repaired, with these words in the sentence and the remedy."""
    assert found.state == "bad" and sentence in found.sentence and remedy in found.remedy, found
