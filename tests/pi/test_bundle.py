"""The bundle for a Pi without internet: its contents, what its installer refuses, and the proof on an emulated Pi."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from pi import prove

INSTALLER = ROOT / "pi" / "install.sh"
OFFLINE = ("NewConnectionError", "Max retries", "Temporary failure", "Network is unreachable")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as `make pi-bundle` makes it, but less compressed."""
    file = tmp_path_factory.mktemp("bundle") / "edge-classify-pi.tar.xz"
    environment = os.environ | {"PYTHON": sys.executable, "PACK": "xz -T0 -0"}
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib (extra release) is not installed")
    done = subprocess.run([ROOT / "pi" / "bundle", file], capture_output=True, text=True, env=environment)
    if done.returncode and any(sign in done.stderr for sign in OFFLINE):
        pytest.skip("wheels for the bundle can't be downloaded on this machine")
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="session")
def unpacked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(bundle) as archive:
        archive.extractall(folder, filter="data")
    return folder / "edge-classify"


def install(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(folder / "install.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_the_bundle_is_small_and_holds_nothing_for_training(bundle: Path, unpacked: Path) -> None:
    assert bundle.stat().st_size <= 110e6
    names = {wheel.name.partition("-")[0] for wheel in (unpacked / "wheels").iterdir()}
    assert {"ai_edge_litert", "numpy", "opencv_python_headless", "pillow", "click", "tqdm", "edge_classify"} <= names
    assert {"jinja2", "markupsafe", "reportlab", "charset_normalizer"} <= names  # of the extra `count`
    assert not names & {"tensorflow", "tensorflow_cpu", "keras", "scikit_learn", "scipy", "matplotlib", "tensorboard"}
    for python in ("cp311", "cp313"):
        assert list((unpacked / "wheels").glob(f"ai_edge_litert-*-{python}-*aarch64.whl"))
    [own] = (unpacked / "wheels").glob("edge_classify-*.whl")
    with zipfile.ZipFile(own) as archive:
        modules = {name for name in archive.namelist() if name.endswith(".py")}
        tops = {name.partition("/")[0] for name in archive.namelist()}
        [about] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        wanted = [line for line in archive.read(about).decode().splitlines() if line.startswith("Requires-Dist")]
        assert {"edge/models/compact-int8.tflite", "edge/schema/contract.schema.json"} <= set(archive.namelist())
        needed = ("templates/report.html", "fonts/DejaVuSans.ttf", "fonts/LICENSE")
        assert {f"edge/count/report/{name}" for name in needed} <= set(archive.namelist())
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edge"}
    assert wanted and not [line for line in wanted if "extra" in line]
    # Every module of edge/ and of its subfolders: a wheel that names only the package "edge" would lack the latter.
    # Archives are for workstations.
    ours = {file.relative_to(ROOT).as_posix() for file in (ROOT / "edge").rglob("*.py")}
    assert modules == {name for name in ours if not name.startswith("edge/archive/")}
    assert len({name.split("/")[1] for name in modules if name.count("/") > 1}) > 5


@pytest.mark.slow
def test_every_file_has_its_checksum(unpacked: Path) -> None:
    lines = [line.split("  ", 1) for line in (unpacked / "SHA256SUMS").read_text().splitlines()]
    sums = {name: checksum for checksum, name in lines}
    files = [file for file in unpacked.rglob("*") if file.is_file() and file.name != "SHA256SUMS"]
    assert len(files) == len(sums)
    parts = json.loads((unpacked / "sbom.cdx.json").read_text())
    listed = {
        part["bom-ref"]: part["hashes"][0]["content"] for part in (parts["metadata"]["component"], *parts["components"])
    }
    assert listed == {name.removeprefix("./wheels/"): each for name, each in sums.items() if "/wheels/" in name}
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sums[f"./{file.relative_to(unpacked)}"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A bundle with only what the installer checks first: itself, the checksums, and a file to check."""
    folder = tmp_path / "edge-classify"
    folder.mkdir()
    shutil.copy(INSTALLER, folder)
    shutil.copy(ROOT / "pi" / "edge_update.py", folder / "edge-update")
    (folder / "wheels").write_text("none")
    sums = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  ./{f.name}\n" for f in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def refused(done: subprocess.CompletedProcess[str], sentence: str, prefix: Path) -> None:
    assert done.returncode == 2 and sentence in done.stderr, done
    assert not (prefix / "bin").exists()


def test_a_damaged_bundle_is_refused(small: Path, tmp_path: Path) -> None:
    (small / "wheels").write_text("nine")
    refused(install(small, "--prefix", tmp_path / "p"), "damaged or incomplete; copy it again", tmp_path / "p")
    (small / "wheels").unlink()
    refused(install(small, "--prefix", tmp_path / "p"), "damaged or incomplete; copy it again", tmp_path / "p")


def test_another_machine_is_refused(small: Path, tmp_path: Path) -> None:
    if os.uname().machine == "aarch64":
        pytest.skip("the bundle is made for this machine")
    done = install(small, "--prefix", tmp_path / "p")
    refused(
        done,
        "This bundle is for 64-bit Raspberry Pi OS Bookworm (Python 3.11) and Trixie (3.13); this machine",
        tmp_path,
    )
    assert not (tmp_path / "p").exists()


def test_other_files_are_not_touched(small: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "letter").write_text("dear")
    for options in ([], ["--uninstall"]):
        refused(install(small, "--prefix", tmp_path / "p", *options), "holds something other", tmp_path / "p")
    assert (tmp_path / "p" / "letter").read_text() == "dear"
    refused(install(small, "--prefix", tmp_path / "q", "--uninstall"), "Nothing is installed in", tmp_path / "q")
    refused(install(small, "--prefix"), "--prefix: expected one argument", tmp_path / "q")
    refused(install(small, "--wrong"), "unrecognized arguments: --wrong", tmp_path / "q")


def test_a_single_different_byte_fails_the_proof(tmp_path: Path) -> None:
    line = '{"source": "a.jpg", "cell": 0, "label": "monocyte", "probabilities": {"monocyte": 0.9023}}'
    for place, text in (("here", line), ("there", line)):
        (tmp_path / place).mkdir()
        for name in ("pictures.json", "camera.json"):
            (tmp_path / place / name).write_text(f"{text}\n")
    assert "1 answers equal" in prove.compare(tmp_path / "there", tmp_path / "here")
    (tmp_path / "there" / "pictures.json").write_text(line.replace("0.9023", "0.9024") + "\n")
    with pytest.raises(prove.Failed, match="1 of 1 answers differ"):
        prove.compare(tmp_path / "there", tmp_path / "here")
    (tmp_path / "there" / "pictures.json").write_text(f"{line}\n{line}\n")
    with pytest.raises(prove.Failed, match="1 of 2 answers differ"):
        prove.compare(tmp_path / "there", tmp_path / "here")
    (tmp_path / "there" / "pictures.json").write_text(f"{line}\n")
    (tmp_path / "there" / "camera.json").write_text(line.replace("monocyte", "lymphocyte", 1) + "\n")
    with pytest.raises(prove.Failed, match="camera's cells differ"):
        prove.compare(tmp_path / "there", tmp_path / "here")


@pytest.mark.slow
def test_an_emulated_pi_gives_the_same_answers_to_the_byte(bundle: Path, data: Path, tmp_path: Path) -> None:
    """One system, one core and few pictures; `make pi-proof` tests both systems and both cores with 220 pictures."""
    options = ["--system", "bookworm", "--core", "cortex-a72", "--cells", "12", "--fields", "2", "--seconds", "6"]
    command = [sys.executable, "-m", "pi", bundle, "--data", data, "--roots", tmp_path, *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    for line in (
        "Installed: /opt/edge-classify",
        "numpy, pillow",
        "answers equal to the byte",
        "removed without a trace",
    ):
        assert line in done.stdout
