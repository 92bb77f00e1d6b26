"""Focus and light during a run: can cells be judged, and what should the user do where they can't?"""

import numpy as np

from edge.quality import CLIPPED, DIM, USELESS, ImageQuality

# The numbers were measured on the fields that edge/quality.py names.
_DULL = 0.22  # sharpness below which the user is told to turn the focus, on any slide
# Sharpness as a share of the best seen, for cameras whose noise looks like detail. Views that are blurred by 2/32, 3/32
# and 4/32 of a red cell's diameter have 0.62, 0.47 and 0.38. A higher _BLURRED would reject more blurred views. But it
# would also reject sharp views of a slide, if the slide before had twice the noise: 0.45 rejected a whole film of
# chula_rpi (fields of a Raspberry Pi camera), and with it one of 11 cells.
_BLURRED = 0.35  # below this share, cells aren't judged
_SOFT = 0.55  # below this share, the user is warned
_FORGET = 1200.0  # seconds in which the remembered best sharpness halves, because the slide or lens may have changed
_UNEVEN = 1.6  # ImageQuality.unevenness above which the user is warned; 99 % of good fields have 1.08 to 1.48
_LOOKS = 5  # measurements at the start, whose median is the light's first colour; they take 2 seconds
_TINTED = 0.08  # relative change of red / green or blue / green; from field to field it is 0.04 at most


class FocusMonitor:
    """Remembers the best focus and the light's first colour in a run, and warns when the view gets worse."""

    def __init__(self) -> None:
        self._first: list[np.ndarray] = []  # red / green and blue / green in the first views
        self._best, self._updated = 0.0, 0.0  # the best sharpness, and when it was updated, in seconds

    def focus(self, quality: ImageQuality, time: float) -> float:
        """The sharpness as a share of the best seen lately, 0 to 1.

        Args:
            quality: quality of the latest view.
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
            result.append("too bright: turn down the lamp or the exposure")
        elif green < DIM:
            result.append("too dark: turn up the lamp or the exposure")
        if 0 < quality.sharpness < max(_DULL, _SOFT * self._best):
            result.append("out of focus: turn the fine focus")
        if quality.unevenness > _UNEVEN:
            result.append("uneven light: centre the condenser, or start with --flat capture on an empty spot")
        tint = np.array([red, blue]) / max(1.0, green)
        if len(self._first) < _LOOKS:
            self._first.append(tint)
        elif np.abs(tint / np.median(self._first, axis=0) - 1).max() > _TINTED:
            result.append("light colour changed: fix it with --white-balance")
        return result
