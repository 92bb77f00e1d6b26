"""The Raspberry Pi's own camera, through picamera2."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edge.camera.device import CameraSettings
from edge.errors import UserError, reason

_PATIENCE = 5.0  # seconds that a frame may take; a camera with a loose cable sends none


class Picamera:
    """The Pi's own camera as a Device. It needs Raspberry Pi OS's picamera2 (`sudo apt install python3-picamera2`).

    It was written from picamera2's source and tested with a stand-in that has the same signatures. Nobody has run it on
    a Pi yet. CameraSettings.exposure is in microseconds.
    """

    live, comes_back, unrelated_frames, missing_frames = True, True, False, 0

    def __init__(self, number: int, settings: CameraSettings) -> None:
        """Opens and starts camera `number`, from 0.

        Raises:
            UserError: where there is no such camera, or where it can't do what the settings ask.
        """
        try:
            from picamera2 import Picamera2  # type: ignore[import-not-found]
        except ImportError as error:  # picamera2 itself is missing, or the libcamera that it needs
            raise UserError(
                f"{error.name or 'libcamera'} is missing: run `sudo apt install python3-picamera2` on the Pi and make "
                "the virtual environment with `python3 -m venv --system-site-packages`."
            ) from error
        cameras = Picamera2.global_camera_info()
        if number >= len(cameras):
            names = ", ".join(f"picamera:{info['Num']} ({info['Model']})" for info in cameras) or "none"
            raise UserError(f"There is no camera picamera:{number}; the Pi's own cameras: {names}.")
        self._request: Any = None
        self._camera: Any = None
        try:
            self._camera = Picamera2(number)
            size = self._start(settings)
            self._metadata = metadata = self._wait(self._camera.capture_metadata)
        except (RuntimeError, ValueError, TimeoutError) as error:
            self.close()
            raise UserError(f"The Pi's camera {number} doesn't start: {reason(error)}.") from error
        self.fps = 1e6 / metadata["FrameDuration"] if metadata.get("FrameDuration") else 0.0
        parts = [f"{size[0]}x{size[1]}", f"{self.fps:.0f} frames a second"]
        parts += [f"exposure {metadata['ExposureTime']}"] if "ExposureTime" in metadata else []
        parts += [f"white balance {metadata['ColourTemperature']}"] if "ColourTemperature" in metadata else []
        self.facts = f"picamera {number}: {', '.join(parts)}"

    def _start(self, settings: CameraSettings) -> tuple[int, int]:
        """Configures and starts the camera. Returns the (width, height) of its pictures. Raises RuntimeError."""
        controls: dict[str, object] = {}
        if settings.fps:
            controls["FrameDurationLimits"] = (round(1e6 / settings.fps),) * 2
        if settings.exposure is not None:
            controls |= _fixed(settings.exposure)
        if settings.white_balance is not None:
            if "ColourTemperature" not in self._camera.camera_controls:
                raise RuntimeError("its libcamera is too old for --white-balance; update Raspberry Pi OS")
            controls |= {"AwbEnable": False, "ColourTemperature": settings.white_balance}
        # libcamera's "BGR888" is R, G, B in memory. queue=False: a queued frame would be old when it is asked for.
        main = {"size": settings.size or (1280, 720), "format": "BGR888"}
        asked = self._camera.create_video_configuration(main, raw=None, buffer_count=4, controls=controls, queue=False)
        self._camera.configure(asked)
        self._camera.start()
        given = self._camera.camera_configuration()["main"]
        if given["format"] != "BGR888":
            raise RuntimeError(f"it gives {given['format']} instead of BGR888")
        return given["size"]

    def grab(self) -> bool:
        self._release()
        try:
            self._request = self._wait(self._camera.capture_request)
        except (RuntimeError, TimeoutError):
            return False
        return True

    def _wait(self, capture: Callable[..., Any]) -> Any:
        """The next result of `capture`, one of picamera2's functions. Raises TimeoutError where none comes in time."""
        try:
            return capture(wait=_PATIENCE)
        except TimeoutError as error:
            self._camera.cancel_all_and_flush()  # otherwise closing would wait for the frame
            raise TimeoutError(f"no picture in {_PATIENCE:.0f} s; is its cable loose?") from error

    @property
    def exposure(self) -> float | None:
        """Of the latest picture, microseconds. A gain counts as a longer exposure, because `expose` ends it."""
        found = self._request.get_metadata() if self._request else self._metadata
        return found["ExposureTime"] * found.get("AnalogueGain", 1.0) if "ExposureTime" in found else None

    def expose(self, exposure: float) -> None:
        self._camera.set_controls(_fixed(exposure))

    def retrieve(self) -> np.ndarray | None:
        return np.ascontiguousarray(self._request.make_array("main"))

    def _release(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None

    def close(self) -> None:
        if self._camera is not None:
            self._release()
            self._camera.close()
            self._camera = None


def _fixed(exposure: float) -> dict[str, object]:
    """Controls for a fixed exposure. The gain is fixed as well: it would keep changing otherwise."""
    return {"AeEnable": False, "ExposureTime": round(exposure), "AnalogueGain": 1.0}
