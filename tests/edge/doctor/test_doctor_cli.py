"""`edge-doctor` finds faults that are planted in an environment or a folder made for the test."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from doctor_findings import bad, doctor, findings, run
from model_files import graph_of, sealed

from edge import model
from edge.camera import usb
from edge.model import DIGITS, SEAL


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A new environment that links to all installed packages; returns its site-packages folder."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    for entry in Path(np.__file__).parent.parent.iterdir():
        if entry.suffix != ".pth" and not entry.name.startswith("__"):
            (site / entry.name).symlink_to(entry)
    return site


def python_of(site: Path) -> Path:
    return site.parents[2] / "bin" / "python"


def test_all_is_well(tmp_path: Path) -> None:
    command = [
        "-m",
        "edge.doctor.cli",
        "--camera",
        "sim:width=320,height=240,red_cell=40",
        "--seconds",
        0.5,
        "--folder",
        tmp_path,
    ]
    done = run([sys.executable, *command])
    lines = done.stdout.splitlines()
    assert done.returncode in (0, 1), done.stdout  # 1: a busy machine may be slow
    assert any(line.startswith("fine  camera: sim: 320x240, 30 frames a second") for line in lines)
    assert any("model: compact-int8.tflite gives the expected answers: 4 of 4 samples." in line for line in lines)
    assert any("drawn fields of" in line and "a second" in line for line in lines)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_no_camera() -> None:
    code, found = doctor("--camera", "63")
    assert code == 2
    bad(found["camera"], "There is no camera /dev/video63", "plug it in")
    code, found = doctor()
    if not usb.found():
        assert code == 1 and found["camera"].state == "warn" and "plug it in" in found["camera"].remedy


def test_a_wrong_wheel(environment: Path) -> None:
    """Pillow's library gets the ELF header of another processor, as a wrong wheel would have."""
    for part in (*environment.glob("PIL"), *environment.glob("pillow-*.dist-info")):
        original = part.resolve()
        part.unlink()
        shutil.copytree(original, part)
    [library] = environment.glob("PIL/_imaging.*.so")
    content = bytearray(library.read_bytes())
    content[18] ^= 0xFF  # the field for the processor
    library.write_bytes(content)
    [tags] = environment.glob("pillow-*.dist-info/WHEEL")
    tags.write_text("Wheel-Version: 1.0\nTag: cp39-cp39-manylinux2014_ppc64le\n")
    code, found = doctor(python=python_of(environment))
    assert code == 2
    bad(
        found["pillow"],
        "the wrong wheel: it is for cp39 on manylinux2014_ppc64le, and this is Python 3",
        "install again",
    )
    bad(found["work"], "not examined", "libraries first")


def test_a_missing_library(environment: Path) -> None:
    (environment / "cv2").unlink()
    code, found = doctor(python=python_of(environment))
    assert code == 2
    bad(found["opencv-python-headless"], "opencv-python-headless is missing.", "install again")
    (environment / "numpy").unlink()
    done = run([python_of(environment), "-m", "edge", ROOT / "docs" / "drawn-monocyte-3.annotated.jpg"])
    assert done.returncode == 2 and "No module named 'numpy'. Run edge-doctor." in done.stderr
    assert "Traceback" not in done.stderr
    (environment / "numpy").symlink_to(Path(np.__file__).parent)
    (environment / "cv2").mkdir()
    (environment / "cv2" / "__init__.py").write_text("import ctypes\nctypes.CDLL('libxcb-none.so.1')\n")
    bad(
        doctor(python=python_of(environment))[1]["opencv-python-headless"],
        "needs libxcb-none.so.1, which",
        "sudo apt install",
    )
    (environment / "cv2" / "__init__.py").write_text("import os\nos.kill(os.getpid(), 4)\n")
    _, found = doctor(python=python_of(environment))
    bad(found["opencv-python-headless"], "ends the process by signal 4", "install again")


def test_click_is_missing(environment: Path) -> None:
    (environment / "click").unlink()
    done = run([python_of(environment), "-m", "edge.doctor.cli"])
    assert done.returncode == 2 and done.stderr.startswith("click is missing: install again")


def test_a_corrupt_model(tmp_path: Path) -> None:
    content = bytearray(model.SHIPPED.read_bytes())
    content[5000] ^= 0xFF
    (tmp_path / "a.tflite").write_bytes(content)
    code, found = doctor("--model", tmp_path / "a.tflite")
    assert code == 2
    bad(found["model"], "is damaged", "copy the file again")
    assert found["locator"].state == "fine"


def test_changed_answers(tmp_path: Path) -> None:
    """The samples in the file expect other answers than this machine gives."""
    content = model.SHIPPED.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    samples = dict(np.load(io.BytesIO(parts["samples.npz"])))
    samples["outputs"][0] ^= 1
    changed = io.BytesIO()
    np.savez(changed, **samples)
    file = io.BytesIO(graph_of(content))
    with zipfile.ZipFile(file, "a") as archive:
        for name, body in (parts | {"samples.npz": changed.getvalue()}).items():
            archive.writestr(name, body)
        archive.comment = SEAL + bytes(DIGITS)
    sealed(tmp_path / "a.tflite", file.getvalue()[:-DIGITS])
    code, found = doctor("--model", tmp_path / "a.tflite")
    assert code == 2
    bad(
        found["model"],
        "a.tflite gives wrong answers on this machine: only 3 of 4 samples are as expected",
        "don't use it",
    )


def test_a_full_disk(tmp_path: Path) -> None:
    """A full file system of 64 kB, in a mount namespace that ends with the process."""
    script = (
        f"mount -t tmpfs -o size=64k full {tmp_path} && "
        f"(head -c 60000 /dev/zero > {tmp_path}/results) && exec {sys.executable} -m edge.doctor.cli --json "
        f"--seconds 0 --folder {tmp_path}"
    )
    done = run(["unshare", "--mount", "--map-root-user", "sh", "-c", script])
    if not done.stdout:
        pytest.skip(f"no file system can be mounted on this machine: {done.stderr.strip()}")
    code, found = findings(done)
    assert code == 2
    bad(found["disk"], f"Nothing can be written to {tmp_path}: No space left on device.", "make room")


def test_no_display() -> None:
    code, found = doctor("--show", DISPLAY="", WAYLAND_DISPLAY="")
    assert code == 2
    bad(found["display"], "There is no display", "ssh -X")
