"""Faulty frames, which show no slide: black, saturated, of one colour, frozen or torn. They are never classified."""

import numpy as np

# The thresholds were chosen on 100 fields of the half of bccd that the locator learned from, and on 40 simulated ones.
# None of the fields that benchmarks measure on was used.
_BLACK = 24  # level 0..255; a frame of which nearly every value is this dark is black; in fields at most 0.5 % are
_BRIGHT = 250  # level 0..255; a frame of which nearly every value is this bright is saturated; in fields at most 0.1 %
_NEARLY_ALL = 0.995  # share of the values, for the two levels above
# Standard deviation in levels, below which a frame is of one colour. Fields have 19 and more. An empty spot of the
# slide has 2 and more, from its noise and shading.
_PLAIN = 1.0
_BAND = 0.03  # share of the height; so many identical lines were never sent by the camera; fields have no such lines
_JUMP = 3.0  # times the usual difference between neighbouring lines; fields have 1.4 to 3.7, torn frames 8 and more
_LEAST_JUMP = 8.0  # levels of that difference; fields have 2.4 to 5.6, torn frames 9 and more
# Times the differences next to it, because a tear is one line sharp. Fields have 1.0 to 2.9, torn frames 3.6 and more.
_SHARP_JUMP = 2.0
_ALWAYS = 8  # frames in a row with a jump in the same line, after which the jump belongs to the picture


class Faults:
    """Checks each frame of one camera, in order, for faults."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._line, self._times = -1, 0  # where the last jump was, and in how many frames in a row
        self._usual_lines: set[int] = set()  # lines with a jump in every frame

    def of(self, image: np.ndarray) -> str:
        """The fault of the next frame: "black", "saturated", "frozen", "one colour" or "torn"; "" for a good frame.

        Args:
            image: RGB uint8 [height, width, 3].
        """
        last, self._last = self._last, image
        sample = image[::8, ::8]
        if (sample <= _BLACK).mean() >= _NEARLY_ALL:
            return "black"
        if (sample >= _BRIGHT).mean() >= _NEARLY_ALL:
            return "saturated"
        if last is not None and _same(last[::8, ::8], sample) and _same(last, image):  # a sample mostly settles it
            return "frozen"
        if sample.std(axis=(0, 1)).max() < _PLAIN:
            return "one colour"
        return "torn" if self._torn(image) else ""

    def _torn(self, image: np.ndarray) -> bool:
        """Whether the lower part of the frame is missing, or comes from another frame.

        A missing part shows as a band that repeats one line; a part of another frame begins with a jump in one line. A
        line that jumps in every frame (a video's black bar, a border round the picture) is no fault.
        """
        green = image[:, :: max(1, image.shape[1] // 96), 1].astype(np.int16)
        steps = np.abs(np.diff(green, axis=0)).mean(axis=1)
        if not len(steps):
            return False
        repeated = np.flatnonzero((steps == 0) & (green[1:].min(axis=1) < _BRIGHT))  # overexposed glass repeats too
        typical = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        line = int(np.argmax(steps))
        # A tear is one line sharp; at the edge of an object the neighbouring lines differ as well.
        around = np.concatenate([steps[max(0, line - 3) : line], steps[line + 1 : line + 4]])
        jump = (
            steps[line] >= max(_LEAST_JUMP, _JUMP * typical)
            and steps[line] >= _SHARP_JUMP * float(around.max(initial=0.0))
        )  # fmt: skip
        band = len(repeated) >= _BAND * len(image) and typical > 0
        if not (jump or band):
            self._times = 0
            return False
        mark = line if jump else int(repeated[0])
        self._times = self._times + 1 if abs(mark - self._line) <= 1 else 1
        self._line = mark
        if self._times >= _ALWAYS:
            self._usual_lines |= {mark - 1, mark, mark + 1}
        return mark not in self._usual_lines


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.array_equal(one, other)
