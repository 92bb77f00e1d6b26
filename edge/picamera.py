"""The Raspberry Pi's own camera."""

from typing import Any

import numpy as np

from edge.device import Wishes
from edge.errors import UserError, reason


class Picamera:
    """The Pi's own camera, through picamera2 of Raspberry Pi OS (`sudo apt install python3-picamera2`).

    Written after picamera2's manual; not yet run on a Pi.
    """

    live, returns, still, left = True, True, False, 0

    def __init__(self, number: int, wishes: Wishes) -> None:
        try:
            from picamera2 import Picamera2  # type: ignore[import-not-found]
        except ImportError as error:
            raise UserError(
                "picamera2 is missing: run `sudo apt install python3-picamera2` on the Pi and make the virtual "
                "environment with `python3 -m venv --system-site-packages`."
            ) from error
        controls: dict[str, object] = {}
        if wishes.fps:
            controls["FrameDurationLimits"] = (round(1e6 / wishes.fps),) * 2
        if wishes.exposure is not None:
            controls |= {"AeEnable": False, "ExposureTime": round(wishes.exposure)}
        if wishes.white_balance is not None:
            controls |= {"AwbEnable": False, "ColourTemperature": wishes.white_balance}
        try:
            self._camera = Picamera2(number)
            # libcamera's "BGR888" is R, G, B in memory. One buffer would wait for us, two always hold a fresh one.
            main = {"size": wishes.size or (1280, 720), "format": "BGR888"}
            self._camera.configure(self._camera.create_video_configuration(main, controls=controls, buffer_count=2))
            self._camera.start()
            size = self._camera.camera_configuration()["main"]["size"]
        except (RuntimeError, IndexError, ValueError) as error:
            raise UserError(f"The Pi's camera {number} doesn't start: {reason(error)}.") from error
        self.fps = float(wishes.fps or 0)
        self._request: Any = None
        self.facts = f"picamera {number}: {size[0]}x{size[1]}"

    def grab(self) -> bool:
        self._release()
        try:
            self._request = self._camera.capture_request()
        except RuntimeError:
            return False
        return True

    def retrieve(self) -> np.ndarray | None:
        return np.ascontiguousarray(self._request.make_array("main")[..., :3])

    def _release(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None

    def close(self) -> None:
        self._release()
        self._camera.stop()
        self._camera.close()
