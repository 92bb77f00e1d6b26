"""`edge-doctor` and the faults that it must find, each planted for real where that can be done."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from edge import locate, model
from edge.camera import usb
from edge.doctor import runtime_checks, system_checks
from edge.doctor.finding import Finding, worst

NOBODY = 65534


def run(command: list[object], **environment: str) -> subprocess.CompletedProcess[str]:
    everything = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(list(map(str, command)), env=everything, capture_output=True, text=True, timeout=120)


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, dict[str, Finding]]:
    """Exit code and findings by name."""
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    findings = {row["name"]: Finding(**row) for row in document["findings"]}
    assert document["state"] == worst(list(findings.values()))
    return done.returncode, findings


def doctor(
    *arguments: object, python: Path | str = sys.executable, **environment: str
) -> tuple[int, dict[str, Finding]]:
    """The command itself -> its exit code and its findings by name."""
    return told(run([python, "-m", "edge.doctor.cli", "--seconds", 0, "--json", *arguments], **environment))


def bad(found: Finding, sentence: str, remedy: str) -> None:
    assert found.state == "bad" and sentence in found.sentence and remedy in found.remedy, found


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment of its own with links to all that is installed here -> its site-packages."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    for entry in Path(np.__file__).parent.parent.iterdir():
        if entry.suffix != ".pth" and not entry.name.startswith("__"):
            (site / entry.name).symlink_to(entry)
    return site


def its(site: Path) -> Path:
    return site.parents[2] / "bin" / "python"


def test_all_is_well_and_told_in_lines(tmp_path: Path) -> None:
    command = ["-m", "edge.doctor.cli", "--camera", "sim:width=320,height=240", "--seconds", 0.5, "--folder", tmp_path]
    done = run([sys.executable, *command])
    lines = done.stdout.splitlines()
    assert done.returncode in (0, 1), done.stdout  # 1: a busy machine may be slow
    assert any(line.startswith("fine  camera: sim: 320x240, 30 frames a second") for line in lines)
    assert any(
        "model: compact-int8.tflite answers here as where it was made, 4 of 4 samples." in line for line in lines
    )
    assert any("drawn fields of" in line and "a second" in line for line in lines)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_no_camera() -> None:
    code, found = doctor("--camera", "63")
    assert code == 2
    bad(found["camera"], "There is no camera /dev/video63", "plug it in")
    code, found = doctor()
    if not usb.found():
        assert code == 1 and found["camera"].state == "warn" and "plug it in" in found["camera"].remedy


def test_no_rights_to_the_camera() -> None:
    place = Path("/dev/shm/edge-doctor-test")
    if not place.parent.is_dir():
        pytest.skip("no place for a file below /dev")
    place.touch()
    try:
        place.chmod(0)
        become = f"os.setuid({NOBODY})" if os.geteuid() == 0 else ""  # who may not even read root's own Python
        script = f"import os\nfrom edge import ability, usb\n{become}\nprint(runtime_checks.camera('{place}'))"
        done = run([sys.executable, "-c", script])
    finally:
        place.unlink()
    assert f"state='bad', sentence='No rights to {place}.'" in done.stdout, done.stderr
    assert "sudo usermod -aG video $USER" in done.stdout


def test_a_camera_in_use() -> None:
    place = Path("/dev/shm/edge-doctor-test")
    if not place.parent.is_dir():
        pytest.skip("no place for a file below /dev")
    try:
        with place.open("w") as file, subprocess.Popen(["sleep", "60"], stdout=file) as other:
            found = runtime_checks.camera(str(place))
            other.kill()
    finally:
        place.unlink()
    bad(found, f"{place} is in use by ", "end that program first")
    assert f"sleep ({other.pid})" in found.sentence


def test_a_wrong_wheel(environment: Path) -> None:
    """Pillow, as the wheel for another processor would be: the ELF header of its library says so."""
    for part in (*environment.glob("PIL"), *environment.glob("pillow-*.dist-info")):
        original = part.resolve()
        part.unlink()
        shutil.copytree(original, part)
    [library] = environment.glob("PIL/_imaging.*.so")
    content = bytearray(library.read_bytes())
    content[18] ^= 0xFF  # the machine that it is for
    library.write_bytes(content)
    [tags] = environment.glob("pillow-*.dist-info/WHEEL")
    tags.write_text("Wheel-Version: 1.0\nTag: cp39-cp39-manylinux2014_ppc64le\n")
    code, found = doctor(python=its(environment))
    assert code == 2
    bad(
        found["pillow"],
        "the wrong wheel: it is for cp39 on manylinux2014_ppc64le, and this is Python 3",
        "install again",
    )
    bad(found["work"], "not tried", "libraries first")


def test_a_missing_library(environment: Path) -> None:
    (environment / "cv2").unlink()
    code, found = doctor(python=its(environment))
    assert code == 2
    bad(found["opencv-python-headless"], "opencv-python-headless is missing.", "install again")
    (environment / "numpy").unlink()
    done = run([its(environment), "-m", "edge", ROOT / "docs" / "drawn-monocyte-3.annotated.jpg"])
    assert done.returncode == 2 and "No module named 'numpy'. Run edge-doctor." in done.stderr
    assert "Traceback" not in done.stderr
    (environment / "numpy").symlink_to(Path(np.__file__).parent)
    (environment / "cv2").mkdir()
    (environment / "cv2" / "__init__.py").write_text("import ctypes\nctypes.CDLL('libxcb-none.so.1')\n")
    bad(
        doctor(python=its(environment))[1]["opencv-python-headless"],
        "needs libxcb-none.so.1, which",
        "sudo apt install",
    )
    (environment / "cv2" / "__init__.py").write_text("import os\nos.kill(os.getpid(), 4)\n")
    _, found = doctor(python=its(environment))
    bad(found["opencv-python-headless"], "ends the process by signal 4", "install again")


def test_even_click_is_missing(environment: Path) -> None:
    (environment / "click").unlink()
    done = run([its(environment), "-m", "edge.doctor.cli"])
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
    """The samples expect other answers than this device gives."""
    content = model.SHIPPED.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        graph = content[: min(entry.header_offset for entry in archive.infolist())]
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    samples = dict(np.load(io.BytesIO(parts["samples.npz"])))
    samples["outputs"][0] ^= 1
    changed = io.BytesIO()
    np.savez(changed, **samples)
    file = io.BytesIO(graph)
    with zipfile.ZipFile(file, "a") as archive:
        for name, body in (parts | {"samples.npz": changed.getvalue()}).items():
            archive.writestr(name, body)
    (tmp_path / "a.tflite").write_bytes(file.getvalue())
    code, found = doctor("--model", tmp_path / "a.tflite")
    assert code == 2
    bad(found["model"], "a.tflite answers differently here: 3 of 4 samples are as expected", "don't use it here")


def test_a_full_disk(tmp_path: Path) -> None:
    """A file system of 64 kB, full, in a world of mounts that ends with the process."""
    script = (
        f"mount -t tmpfs -o size=64k full {tmp_path} && "
        f"(head -c 60000 /dev/zero > {tmp_path}/results) && exec {sys.executable} -m edge.doctor.cli --json --seconds 0 "
        f"--folder {tmp_path}"
    )
    done = run(["unshare", "--mount", "--map-root-user", "sh", "-c", script])
    if not done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    code, found = told(done)
    assert code == 2
    bad(found["disk"], f"Nothing can be written to {tmp_path}: No space left on device.", "make room")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    bad(system_checks.disk(tmp_path / "none"), "No such file or directory", "another folder")


def test_no_display() -> None:
    code, found = doctor("--show", DISPLAY="", WAYLAND_DISPLAY="")
    assert code == 2
    bad(found["display"], "There is no display here", "ssh -X")


def test_a_32_bit_system() -> None:
    """Told by the size of a pointer, as a 64-bit kernel may run it."""
    bad(system_checks.python((3, 11), 32), "This is a 32-bit system (Python 3.11", "64-bit Raspberry Pi OS")
    bad(system_checks.python((3, 9), 64), "Python 3.9 is not 3.11 to 3.13", "Bookworm brings 3.11")
    assert system_checks.python((3, 13), 64).state == "fine"


def test_a_wrong_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad(
        system_checks.clock(0.0),
        "The clock says 1970-01-01 00:00 UTC, before this program was made",
        "timedatectl set-time",
    )
    for answer, state in (("no", "warn"), ("yes", "fine")):
        program(tmp_path, "timedatectl", answer, monkeypatch)
        assert system_checks.clock().state == state


def program(folder: Path, name: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a program that this machine hasn't."""
    (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Path]:
    """The files in which Linux says that this is a Pi, and how warm it is."""
    place = tmp_path / "root"
    for file, text in (
        ("sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.5\0"),
        ("sys/class/thermal/thermal_zone0/temp", "61234\n"),
    ):
        (place / file).parent.mkdir(parents=True)
        (place / file).write_text(text)
    yield place


@pytest.mark.parametrize(
    ("answer", "state", "sentence", "remedy"),
    [
        ("throttled=0x0", "fine", "Raspberry Pi 4 Model B Rev 1.5, 61 °C: enough power, no throttling", ""),
        ("throttled=0x50005", "bad", "too little voltage, throttling right now", "own power supply"),
        ("throttled=0x50000", "warn", "too little voltage, throttling since it was started", "own power supply"),
        ("throttled=0x80008", "bad", "the soft temperature limit right now", "a heat sink or a fan"),
        ("VCHI initialization failed", "warn", "vcgencmd doesn't answer", "group video"),
    ],
)
def test_power(
    answer: str, state: str, sentence: str, remedy: str, pi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "vcgencmd", answer, monkeypatch)
    found = system_checks.power(pi)
    assert found.state == state and sentence in found.sentence and remedy in found.remedy


def test_a_hot_pi(pi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "vcgencmd", "throttled=0x0", monkeypatch)
    (pi / "sys/class/thermal/thermal_zone0/temp").write_text("83000\n")
    assert system_checks.power(pi).state == "warn"


def test_cameras_are_told_from_a_pi_s_other_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tmp_path / "sys"
    nodes = {
        "video0": "SimulatedCamera",
        "video1": "SimulatedCamera",
        "video10": "bcm2835-codec-decode",
        "video19": "pispbe-input",
    }
    for node, name in nodes.items():
        bus = "usb" if name == "SimulatedCamera" else "platform"
        (names / node / "device").mkdir(parents=True)
        (tmp_path / "bus" / bus).mkdir(parents=True, exist_ok=True)
        (names / node / "device" / "subsystem").symlink_to(tmp_path / "bus" / bus)
        (names / node / "name").write_text(f"{name}\n")
        (names / node / "index").write_text("1\n" if node == "video1" else "0\n")
    monkeypatch.setattr(usb, "_NAMES", names)
    assert usb.found() == ["/dev/video0"]
    (names / "video19" / "name").write_text("rp1-cfe-csi2_ch0\n")
    assert usb.found() == ["/dev/video0", "picamera"]


def test_a_dark_camera(tmp_path: Path) -> None:
    found = runtime_checks.camera("sim:width=320,height=240,faults=0,fps=30")
    assert found.state == "fine"
    import cv2

    path = str(tmp_path / "dark.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for _ in range(20):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    found = runtime_checks.camera(path)
    assert found.state == "warn" and "20 of them black" in found.sentence and "lamp" in found.remedy


def test_the_locator_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locator.tflite").write_bytes(locate.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(locate, "SHIPPED", tmp_path / "locator.tflite")
    bad(runtime_checks.models()[1], "no readable contract", "install again")
