"""Is the view at a camera fit for judging cells, and what should a person do where it isn't?"""

import numpy as np

from edge.quality import CLIPPED, DIM, USELESS, ImageQuality

# Measured as in edge/quality.py. Sharpness below which turning the focus would help, on any slide.
_DULL = 0.22
# Sharpness in shares of the best seen, for cameras whose noise looks like detail: 0.62, 0.47 and 0.38 where the view is
# blurred by 2/32, 3/32 and 4/32 of a red cell. More than 0.35 would stop more blurred views, and also a slide put in
# after one with twice the noise: on chula_rpi, 0.45 left a film and with it one of 11 cells uncounted.
_BLURRED, _SOFT = 0.35, 0.55
_FORGET = 1200.0  # seconds in which the best is forgotten by half, for another slide or lens
_UNEVEN = 1.6  # of ImageQuality.unevenness; good fields have 1.08 to 1.48 (99 % of them)
_LOOKS = 5  # measurements whose median is the colour at the start: 2 seconds
_TINTED = 0.08  # change of a colour's share against green; from field to field it is 0.04 at most


class FocusMonitor:
    """Remembers the best focus and the first colour of a run, and warns when the view is no longer fit."""

    def __init__(self) -> None:
        self._first: list[np.ndarray] = []  # red and blue in shares of green, at the start
        self._best, self._at = 0.0, 0.0

    def focus(self, quality: ImageQuality, time: float) -> float:
        """The sharpness in shares of the best seen lately, 0 to 1. time: seconds, never running backwards."""
        self._best *= 0.5 ** (max(0.0, time - self._at) / _FORGET)
        self._best, self._at = max(self._best, quality.sharpness), time
        return quality.sharpness / self._best if self._best else 1.0

    def sharp(self, quality: ImageQuality) -> bool:
        """Whether cells can be judged in this view."""
        return quality.sharpness >= max(USELESS, _BLURRED * self._best)

    def warnings(self, quality: ImageQuality) -> list[str]:
        """What a person should do, the most urgent first."""
        red, green, blue = quality.light
        result = []
        if quality.clipped > CLIPPED:
            result.append("too bright: lower the lamp or the exposure")
        elif green < DIM:
            result.append("too dark: raise the lamp or the exposure")
        if 0 < quality.sharpness < max(_DULL, _SOFT * self._best):
            result.append("out of focus: turn the fine focus")
        if quality.unevenness > _UNEVEN:
            result.append("uneven light: centre the condenser, or give --flat capture on an empty spot")
        tint = np.array([red, blue]) / max(1.0, green)
        if len(self._first) < _LOOKS:
            self._first.append(tint)
        elif np.abs(tint / np.median(self._first, axis=0) - 1).max() > _TINTED:
            result.append("the light's colour has changed since the start: fix it with --white-balance")
        return result
