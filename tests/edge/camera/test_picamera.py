"""The Pi's own camera. No test machine has one: a stand-in has the signatures and rules of picamera2's source.

What the stand-in can't test: libcamera itself, real sensors, colours, times.
"""

import logging
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.camera.device import Adjustable, CameraSettings
from edge.camera.picamera import Picamera
from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.errors import UserError

KNOWN = {"AeEnable", "ExposureTime", "AnalogueGain", "AwbEnable", "ColourTemperature", "FrameDurationLimits"}


class Request:
    """picamera2.request.CompletedRequest: holds one of the camera's few buffers until it is released."""

    def __init__(self, camera: "Picamera2", number: int) -> None:
        self.camera, self.number, self.held = camera, number, True
        camera.free -= 1

    def make_array(self, name: str) -> np.ndarray:
        assert self.held and name == "main"
        width, height = self.camera.config["main"]["size"]
        image = np.zeros((height, width, 3), np.uint8)
        order = (200, 100, 50) if self.camera.config["main"]["format"] == "BGR888" else (50, 100, 200)
        image[:] = order
        image[0, : self.number % width] = 255  # no two frames alike
        return image

    def get_metadata(self) -> dict[str, Any]:
        assert self.held
        return {"ExposureTime": self.camera.controls.get("ExposureTime", 8000), "AnalogueGain": 2.0}

    def release(self) -> None:
        if not self.held:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self.held = False
        self.camera.free += 1


class Picamera2:
    """picamera2.Picamera2, as far as it is used; like the real one, it refuses wrong names and arguments."""

    models = ("imx477",)
    stalled = False
    closed = False
    free = 0
    opened: "list[Picamera2]" = []  # noqa: RUF012

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Model": model, "Num": i} for i, model in enumerate(Picamera2.models)]

    def __init__(self, camera_num: int = 0) -> None:
        if any(not other.closed for other in Picamera2.opened):
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        Picamera2.opened.append(self)
        self.camera_controls = dict.fromkeys(KNOWN, (0, 1, None))
        self.closed = self.started = self.waiting = False
        self.number = self.free = 0
        self.config: dict[str, Any] = {}

    def create_video_configuration(
        self, main: dict = {}, lores: Any = None, raw: Any = {}, transform: Any = None, colour_space: Any = None,  # noqa: B006
        buffer_count: int = 6, controls: dict = {}, display: Any = "main", encode: Any = "main", queue: bool = True,  # noqa: B006
        sensor: Any = {}, use_case: str = "video",  # noqa: B006
    ) -> dict[str, Any]:  # fmt: skip
        if set(main) - {"format", "size", "stride", "preserve_ar"}:
            raise ValueError("Bad key")
        main = {"format": "XBGR8888", "size": (1280, 720)} | main
        return {"main": main, "buffer_count": buffer_count, "controls": controls, "queue": queue}

    def configure(self, camera_config: dict[str, Any] | None = None) -> None:
        assert camera_config is not None
        for name in camera_config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        width, height = camera_config["main"]["size"]
        if width % 2 or height % 2:
            raise RuntimeError("width and height should be even")
        self.config, self.free = camera_config, camera_config["buffer_count"]

    def camera_configuration(self) -> dict[str, Any]:
        return self.config

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        assert self.config
        self.started = True

    def _next(self, wait: Any) -> Request:
        if not self.started:
            raise RuntimeError("Camera has not been configured")
        if Picamera2.stalled or not self.free:
            self.waiting = True
            raise TimeoutError
        time.sleep(0.005)
        self.number += 1
        return Request(self, self.number)

    def capture_request(self, wait: Any = None, signal_function: Any = None, flush: Any = None) -> Request:
        return self._next(wait)

    def capture_metadata(self, wait: Any = None, signal_function: Any = None) -> dict[str, Any]:
        self._next(wait).release()
        controls = self.config["controls"]
        return {"ExposureTime": controls.get("ExposureTime", 9999), "FrameDuration": 33333, "ColourTemperature": 4200}

    @property
    def controls(self) -> dict[str, Any]:
        return self.config["controls"]

    def set_controls(self, controls: dict[str, Any]) -> None:
        assert set(controls) <= set(self.camera_controls)
        self.controls.update(controls)

    def cancel_all_and_flush(self) -> None:
        self.waiting = False

    def close(self) -> None:
        assert not self.waiting  # the real one would wait for ever
        self.closed, self.started = True, False


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    stand_in = types.ModuleType("picamera2")
    stand_in.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", stand_in)
    monkeypatch.setattr(Picamera2, "opened", [])
    return Picamera2


def test_frames_are_rgb_each_once_and_every_buffer_is_given_back(module: type[Picamera2]) -> None:
    camera = Camera(opener("picamera", CameraSettings(size=(320, 240))), "picamera")
    assert camera.facts == "picamera 0: 320x240, 30 frames a second, exposure 9999, white balance 4200"
    frames = [camera.newest(10) for _ in range(8)]
    numbers = [frame.number for frame in frames if frame]
    assert len(numbers) == 8 and numbers == sorted(set(numbers))
    assert frames[0] is not None and frames[0].image.shape == (240, 320, 3)
    assert frames[0].image[100, 100].tolist() == [200, 100, 50]
    assert camera.close()
    (opened,) = module.opened
    assert opened.closed and opened.free == opened.config["buffer_count"]
    assert opened.config["queue"] is False  # a queued frame would date from just after the last call


def test_exposure_and_white_balance_are_fixed(module: type[Picamera2]) -> None:
    device = opener("picamera:0", CameraSettings(fps=25, exposure=8000, white_balance=5000))()
    assert module.opened[0].config["controls"] == {
        "FrameDurationLimits": (40000, 40000), "AeEnable": False, "ExposureTime": 8000, "AnalogueGain": 1.0,
        "AwbEnable": False, "ColourTemperature": 5000,
    }  # fmt: skip
    assert "exposure 8000" in device.facts
    device.close()
    device.close()


def test_a_camera_that_cannot_start_is_reported_and_closed_again(
    module: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"no camera picamera:1; the Pi's own cameras: picamera:0 \(imx477\)\."):
        opener("picamera:1")()
    with pytest.raises(UserError, match="width and height should be even"):
        opener("picamera", CameraSettings(size=(641, 481)))()
    busy = opener("picamera")()
    with pytest.raises(UserError, match="Device or resource busy"):
        opener("picamera")()
    busy.close()
    monkeypatch.setattr(sys.modules[__name__], "KNOWN", KNOWN - {"ColourTemperature"})
    with pytest.raises(UserError, match="too old for --white-balance"):
        opener("picamera", CameraSettings(white_balance=5000))()
    monkeypatch.setattr(module, "stalled", True)
    with pytest.raises(UserError, match=r"no picture in 5 s; is its cable loose\?"):
        opener("picamera")()
    assert all(camera.closed for camera in module.opened)


def test_a_camera_with_a_loose_cable_is_waited_for(
    module: type[Picamera2], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge")
    camera = Camera(opener("picamera"), "picamera")
    assert camera.newest(10) is not None
    monkeypatch.setattr(module, "stalled", True)
    end = time.monotonic() + 30
    while not caplog.messages and time.monotonic() < end:
        camera.newest(0.05)
    monkeypatch.setattr(module, "stalled", False)
    while camera.reconnections < 1 and time.monotonic() < end:
        camera.newest(0.05)
    assert "No more pictures from picamera" in caplog.messages[0] and "Back after" in caplog.messages[1]
    assert camera.newest(10) is not None and camera.close()
    assert all(opened.closed for opened in module.opened)


def test_without_libcamera_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "picamera2.py").write_text("import libcamera\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(UserError, match="libcamera is missing: run `sudo apt install python3-picamera2`"):
        opener("picamera")()


def test_the_exposure_is_changed_while_it_runs(module: type[Picamera2]) -> None:
    camera = Picamera(0, CameraSettings())
    assert isinstance(camera, Adjustable) and camera.exposure == 9999
    assert camera.grab() and camera.exposure == 16_000, "the gain counts, because it ends"
    camera.expose(20_000)
    assert module.opened[-1].controls == {"AeEnable": False, "ExposureTime": 20_000, "AnalogueGain": 1.0}
