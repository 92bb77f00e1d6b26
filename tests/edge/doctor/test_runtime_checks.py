"""`edge-doctor` finds faults of cameras and model files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from doctor_findings import bad, run

from edge import locate
from edge.camera import usb
from edge.doctor import runtime_checks

NOBODY = 65534


def test_no_permission_to_use_the_camera() -> None:
    place = Path("/dev/shm/edge-doctor-test")
    if not place.parent.is_dir():
        pytest.skip("no place for a file below /dev")
    place.touch()
    try:
        place.chmod(0)
        # NOBODY may not read root's own Python. The script therefore imports everything before.
        become = f"os.setuid({NOBODY})" if os.geteuid() == 0 else ""
        script = (
            "import os\nfrom edge.camera import usb\nfrom edge.doctor import runtime_checks\n"
            f"{become}\nprint(runtime_checks.camera('{place}'))"
        )
        done = run([sys.executable, "-c", script])
    finally:
        place.unlink()
    assert f"state='bad', sentence='No permission to use {place}.'" in done.stdout, done.stderr
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


def test_cameras_are_not_confused_with_other_devices_of_a_pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    found = runtime_checks.camera("sim:width=320,height=240,red_cell=40,faults=0,fps=30")
    assert found.state == "fine"
    import cv2

    path = str(tmp_path / "dark.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for _ in range(20):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    found = runtime_checks.camera(path)
    assert found.state == "warn" and "20 of them black" in found.sentence and "lamp" in found.remedy


def test_a_damaged_locator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locator.tflite").write_bytes(locate.SHIPPED.read_bytes()[:1000])
    monkeypatch.setattr(locate, "SHIPPED", tmp_path / "locator.tflite")
    bad(runtime_checks.models()[1], "no readable contract", "install again")
