"""A USB camera that comes back under another number. No test machine has one: folders stand for Linux's own."""

from pathlib import Path

import pytest

from edge.camera import usb
from edge.camera.device import CameraSettings
from edge.errors import UserError


class System:
    """Folders that stand for /dev and /sys of a Linux machine with cameras."""

    def __init__(self, root: Path, links: bool) -> None:
        self.files, self.names, self.links = root / "dev", root / "sys", root / "dev" / "v4l" / "by-id"
        self.names.mkdir()
        (self.links if links else self.files).mkdir(parents=True)

    def plug(self, number: int, name: str, serial: str = "", index: int = 0) -> str:
        node = f"video{number}"
        (self.names / node).mkdir()
        (self.names / node / "name").write_text(f"{name}\n")
        (self.names / node / "index").write_text(f"{index}\n")
        (self.files / node).touch()
        if serial:
            (self.links / f"usb-{serial}-video-index{index}").symlink_to(self.files / node)
        return str(self.files / node)

    def unplug(self, number: int) -> None:
        node = f"video{number}"
        for part in ("name", "index"):
            (self.names / node / part).unlink()
        (self.names / node).rmdir()
        for link in self.links.glob("*"):
            if link.resolve() == (self.files / node).resolve():
                link.unlink()
        (self.files / node).unlink()


@pytest.fixture(params=[True, False], ids=["by-id", "by name"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    result = System(tmp_path, request.param)
    for name, value in (("_FILES", result.files), ("_NAMES", result.names), ("_LINKS", result.links)):
        monkeypatch.setattr(usb, name, value)
    return result


def serial(system: System, text: str) -> str:
    return text if system.links.exists() else ""


def test_it_is_found_under_another_number(system: System) -> None:
    path = system.plug(0, "Microscope", serial(system, "maker_A1"))
    system.plug(1, "Microscope", serial(system, "maker_A1"), index=1)  # of the same camera, without pictures
    system.plug(2, "Webcam", serial(system, "other_B2"))
    camera = usb.Usb(path, CameraSettings())
    assert camera.where() == path
    camera.remember(path)
    assert camera.where() == path
    system.unplug(0)
    system.unplug(1)
    assert camera.where() == path  # where it will be looked for
    system.plug(0, "Another", serial(system, "other_C3"))
    with pytest.raises(UserError, match="video0 is another camera now"):
        camera.where()
    assert system.plug(3, "Microscope", serial(system, "maker_A1")) == camera.where()


def test_another_camera_of_the_same_make_is_not_taken_for_it(system: System) -> None:
    path = system.plug(0, "Microscope", serial(system, "maker_A1"))
    camera = usb.Usb(path, CameraSettings())
    camera.remember(path)
    system.unplug(0)
    system.plug(1, "Microscope", serial(system, "maker_A2"))
    system.plug(2, "Microscope", serial(system, "maker_A3"))
    assert camera.where() == path


def test_where_linux_lists_nothing_only_the_number_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FILES", "_NAMES", "_LINKS"):
        monkeypatch.setattr(usb, name, tmp_path / "none")
    (tmp_path / "video0").touch()
    camera = usb.Usb(str(tmp_path / "video0"), CameraSettings())
    camera.remember(str(tmp_path / "video0"))
    assert camera.where() == str(tmp_path / "video0")


def test_cameras_are_listed_with_their_names(system: System) -> None:
    system.plug(0, "Microscope")
    with pytest.raises(
        UserError, match=r"There is no camera /dev/video9; cameras on this machine: .*video0 \(Microscope\)\."
    ):
        usb.Usb("/dev/video9", CameraSettings()).open()
