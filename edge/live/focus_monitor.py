"""Focus and light during a run: can cells be judged, and what should the user do where they can't?"""

import numpy as np

from edge.quality import CLIPPED, DIM, USELESS, ImageQuality

# Measured on the fields that edge/quality.py names.
_DULL = 0.22  # sharpness below which turning the focus would help, on any slide
# Sharpness as a share of the best seen, for cameras whose noise looks like detail. Views that are blurred by 2/32, 3/32
# and 4/32 of a red cell have 0.62, 0.47 and 0.38. A first number above 0.35 would stop more blurred views. But it would
# also stop a slide that follows one with twice the noise: on chula_rpi, 0.45 skipped a whole film, and with it one of
# 11 cells.
_BLURRED = 0.35  # below this cells aren't judged
_SOFT = 0.55  # below this the user is warned
_FORGET = 1200.0  # seconds after which half of the best sharpness is forgotten, for another slide or lens
_UNEVEN = 1.6  # ImageQuality.unevenness; 99 % of good fields have 1.08 to 1.48
_LOOKS = 5  # measurements at the start whose median is the first colour: 2 seconds
_TINTED = 0.08  # relative change of red or blue against green; from field to field it is 0.04 at most


class FocusMonitor:
    """Remembers the best focus and the first colour of a run, and warns when the view gets worse."""

    def __init__(self) -> None:
        self._first: list[np.ndarray] = []  # red and blue as shares of green, at the start
        self._best, self._updated = 0.0, 0.0  # the best sharpness, and when it was updated, in seconds

    def focus(self, quality: ImageQuality, time: float) -> float:
        """The sharpness as a share of the best seen lately, 0 to 1.

        Args:
            quality: of the latest view.
            time: when it was seen, in seconds.
        """
        self._best *= 0.5 ** (max(0.0, time - self._updated) / _FORGET)
        self._best, self._updated = max(self._best, quality.sharpness), time
        return quality.sharpness / self._best if self._best else 1.0

    def sharp(self, quality: ImageQuality) -> bool:
        """Whether the view is sharp enough to judge cells."""
        return quality.sharpness >= max(USELESS, _BLURRED * self._best)

    def warnings(self, quality: ImageQuality) -> list[str]:
        """What the user should do about the view, the most urgent first. Call it once for each view."""
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
