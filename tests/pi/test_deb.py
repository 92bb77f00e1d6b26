"""The Debian package: what it holds, and whether it runs as it lies there, on Debian's own Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, command
from test_bundle import OFFLINE

pytestmark = pytest.mark.slow
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
COMMANDS = ("edge-classify", "edge-count", "edge-site", "edge-doctor")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine, as `make deb` makes it, but not compressed."""
    architecture = ARCHITECTURES.get(os.uname().machine)
    if not architecture or subprocess.run(["which", "dpkg-deb"], capture_output=True).returncode:
        pytest.skip("no Debian package can be made for this machine, or by it")
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib (extra release) is not installed")
    folder = tmp_path_factory.mktemp("deb")
    environment = os.environ | {"PYTHON": sys.executable, "COMPRESS": "-Znone"}
    line = [str(ROOT / "pi" / "deb"), architecture, str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    if done.returncode and any(sign in done.stderr for sign in OFFLINE):
        pytest.skip("wheels for the package can't be downloaded on this machine")
    assert done.returncode == 0, done.stderr
    [file] = folder.glob("edge-classify_*.deb")
    return file


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


def test_it_holds_all_and_only_what_it_should(package: Path, unpacked: Path) -> None:
    files = {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if not file.is_dir()}
    for name in COMMANDS:
        assert {
            f"usr/bin/{name}",
            f"usr/share/man/man1/{name}.1.gz",
            f"usr/share/bash-completion/completions/{name}",
            f"usr/share/zsh/vendor-completions/_{name}",
            f"usr/share/fish/vendor_completions.d/{name}.fish",
        } <= files
    program = "usr/lib/edge-classify/lib/common/edge"
    assert {f"{program}/{name}" for name in ("models/compact-int8.tflite", "schema/doctor.schema.json")} <= files
    service = (unpacked / "usr/lib/systemd/system/edge-classify.service").read_text()
    assert "ExecStart=/usr/bin/edge-classify --camera" in service and "/opt/" not in service
    ours = {name for name in files if not name.startswith(("DEBIAN/", "usr/lib/edge-classify/lib/"))}
    assert {name.split("/")[1] for name in ours} == {"bin", "lib", "share"} and len(ours) < 80
    top = {path.name for path in (unpacked / "usr/lib/edge-classify/lib/common").iterdir()}
    assert not top & {"train", "convert", "benchmarks", "tests", "pi", "numpy"}
    for version in ("3.11", "3.13"):
        assert f"usr/lib/edge-classify/lib/python{version}/site-packages/numpy/__init__.py" in files
    assert not [name for name in files if name.endswith(".pyc")]
    listed = (unpacked / "DEBIAN" / "md5sums").read_text().splitlines()
    links = {name for name in files if (unpacked / name).is_symlink()}
    assert {line[34:] for line in listed} == {name for name in files if name.startswith("usr/")} - links
    table = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    assert all(line.split()[1] == "root/root" for line in table.splitlines())


def test_it_runs_on_the_system_s_python(unpacked: Path, tmp_path: Path) -> None:
    python = unpacked / "usr/lib/edge-classify/bin/python3"
    done = subprocess.run([python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    if done.stdout.strip() not in ("(3, 11)", "(3, 13)"):
        pytest.skip("the system's Python is neither Bookworm's nor Trixie's")
    assert command("edge.simulator", tmp_path / "demo").returncode == 0
    arguments = [str(tmp_path / "demo" / "drawn-lymphocyte-1.png"), "--json", "-"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-P", unpacked / "usr" / "bin" / "edge-classify", *arguments],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout and done.stdout == command("edge", *arguments).stdout
