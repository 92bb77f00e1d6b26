"""A bundle that is installed in half a second, by the real installer.

The program in it only knows whether it is whole, and pip only unpacks it.
"""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from conftest import ROOT

PROGRAM = """
import hashlib, json, sys
from pathlib import Path

VERSION = {version!r}

def classify():
    content = Path(__file__).with_name("edge_model").read_bytes()
    if hashlib.sha256(content).hexdigest() != {digest!r}:
        sys.exit("The samples get other answers.")
    print(VERSION)

def doctor():
    state = {doctor!r}
    print(json.dumps({{"findings": [{{"name": "camera", "state": "bad", "sentence": "No camera."}},
                                    {{"name": "numpy", "state": state, "sentence": "numpy is " + state + "."}}]}}))
"""
PIP = """
import sys, zipfile
from pathlib import Path

if sys.argv[-1].endswith(".whl"):
    with zipfile.ZipFile(sys.argv[-1]) as wheel:
        wheel.extractall(next(path for path in sys.path if path.endswith("site-packages")))
    for name, function in (("classify", "classify"), ("doctor", "doctor"), ("count", "classify"), ("site", "classify")):
        script = Path(sys.executable).with_name(f"edge-{name}")
        start = f"exec '{sys.executable}' -c 'import fake_edge; fake_edge.{function}()'"
        script.write_text(f"#!/bin/sh\\n{start}\\n")
        script.chmod(0o755)
"""


def unpacked(folder: Path, version: str, model: bytes = b"model", doctor: str = "fine") -> Path:
    """Makes an unpacked bundle for this machine.

    Args:
        folder: which doesn't exist yet.
        version: what the program prints.
        model: its model file; one that isn't b"model" makes it refuse to answer.
        doctor: what its edge-doctor says of a library: "fine" or "bad".
    """
    (folder / "wheels").mkdir(parents=True)
    (folder / "docs").mkdir()
    program = PROGRAM.format(version=version, digest=hashlib.sha256(b"model").hexdigest(), doctor=doctor)
    with zipfile.ZipFile(folder / "wheels" / f"edge_classify-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fake_edge.py", program)
        wheel.writestr("edge_model", model)
    with zipfile.ZipFile(folder / "wheels" / "pip-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__main__.py", PIP)
    for name in ("requirements.txt", "README.md", "LICENSE", "edge-classify.service", "sbom.cdx.json", "docs/page.md"):
        (folder / name).write_text("")
    shutil.copy(ROOT / "pi" / "install.sh", folder)
    updater = (ROOT / "pi" / "edge_update.py").read_text()
    (folder / "edge-update").write_text(updater.replace('"aarch64"', f'"{os.uname().machine}"'))
    sums(folder)
    return folder


def sums(folder: Path) -> None:
    """Writes SHA256SUMS."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  ./{f.relative_to(folder)}\n" for f in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def packed(folder: Path, pair: Any) -> Path:
    """Packs an unpacked bundle and signs it. pair: keys of py-minisign."""
    file = folder.with_suffix(".tar")
    move = f"s,^{folder.name},edge-classify,"
    subprocess.run(["tar", "-cf", file, "-C", folder.parent, "--transform", move, folder.name], check=True)
    file.with_name(f"{file.name}.minisig").write_bytes(bytes(pair.secret_key.sign_file(file, prehash=True)))
    return file
