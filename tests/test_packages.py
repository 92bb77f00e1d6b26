"""What is handed out: do wheel and sdist hold all and only what they should, and does an installed wheel work?"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, command

pytestmark = pytest.mark.slow
OFFLINE = ("NewConnectionError", "Max retries", "Temporary failure", "Network is unreachable")
BUILD = "from setuptools import build_meta; build_meta.build_{}({!r})"
# Beside the Python files of the four rooms.
FURTHER = ("edge/py.typed", "edge/count/strings.json", *(f"edge/{name}/*" for name in (
    "models", "schema", "count/report/templates", "count/report/fonts", "page/templates", "page/static"
)), "train/evaluation/templates/*", "convert/templates/*", "benchmarks/templates/*")  # fmt: skip
COMMANDS = ("edge-classify", "edge-count", "edge-site", "edge-doctor")


def tracked() -> list[str]:
    """The files of the repository, whether they are committed already or not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a clone: git doesn't know which files belong to it")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def expected() -> set[str]:
    """What a wheel must hold, beside its own description."""
    found = {name for name in tracked() if name.endswith(".py") and name.split("/")[0] in
             ("edge", "train", "convert", "benchmarks")}  # fmt: skip
    assert len(found) > 200
    return found | {
        file.relative_to(ROOT).as_posix() for name in FURTHER for file in ROOT.glob(name) if file.suffix != ".pyc"
    }


def build(kind: str, source: Path, target: Path) -> Path:
    """Builds a "wheel" or an "sdist", as pip does it."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind, str(target))], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    [file] = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, as a clone has it."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist: so that holds all that is needed."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)


def test_the_wheel_holds_all_and_only_the_program(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        for name in names:
            assert archive.read(name) == (ROOT / name).read_bytes(), name
    assert names == expected()
    assert {"edge/models/compact-int8.tflite", "edge/schema/doctor.schema.json", "edge/page/static/page.js"} <= names


def test_the_sdist_holds_no_tests_and_no_data(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    names = {name for name in names if ".egg-info/" not in name}
    about = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "requirements/edge.in", "setup.cfg"}
    assert names == expected() | about


def test_the_installed_wheel_answers_as_this_checkout(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    line = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(line, capture_output=True, text=True, env=clean, cwd=tmp_path)
    if done.returncode and any(sign in done.stderr for sign in OFFLINE):
        pytest.skip("the packages that the wheel needs can't be downloaded on this machine")
    assert done.returncode == 0, done.stderr

    def run(name: str, *arguments: str) -> str:
        line = [str(place / "bin" / name), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, env=clean, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    for name in COMMANDS:
        assert "version" in run(name, "--version")
    run("python", "-m", "edge.simulator", "demo")
    picture = "demo/drawn-lymphocyte-1.png"
    ours = command("edge", tmp_path / picture, "--json", "-").stdout.replace(f"{tmp_path}/", "")
    assert ours and run("edge-classify", picture, "--json", "-") == ours
    assert "sample answers are as expected" in run("edge-classify", "--verify")
