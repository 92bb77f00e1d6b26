"""Finds faulty frames: black, saturated, of one colour, frozen or torn. Cells in them are never classified."""

import numpy as np

# The thresholds were chosen on 40 simulated fields and on 100 fields of the data set bccd, from the half that the
# locator was trained on. No field that the benchmarks measure on was used.
# A frame is black if nearly all its values are this low, and saturated if nearly all are this high. Levels, 0..255. In
# good fields at most 0.5 % of the values are that low, and at most 0.1 % that high.
_BLACK, _BRIGHT = 24, 250
_NEARLY_ALL = 0.995  # share of the values
# Standard deviation of the values, in levels: below this a frame is of one colour. Good fields have 19 and more. An
# empty spot of the slide has 2 and more, from the camera's noise and uneven light.
_PLAIN = 1.0
# Share of the lines: if so many are identical to the line above them, a part of the frame never arrived. Good fields
# have no such lines.
_BAND = 0.03
# A part of another frame begins at a line that differs from the line above it by all three of these:
_JUMP = 3.0  # times the median difference between neighbouring lines; good fields: 1.4 to 3.7, torn frames: 8 and more
_LEAST_JUMP = 8.0  # levels; good fields: 2.4 to 5.6, torn frames: 9 and more
_SHARP_JUMP = 2.0  # times the largest difference within 3 lines; good fields: 1.0 to 2.9, torn frames: 3.6 and more
_ALWAYS = 8  # a jump at the same line in so many frames in a row belongs to the view and is no fault


class Faults:
    """Checks each frame of one camera, in order, for faults."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._line, self._times = -1, 0  # the line of the last jump, and how many frames in a row had it
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
        if last is not None and _same(last[::8, ::8], sample) and _same(last, image):  # the sample first: it is faster
            return "frozen"
        if sample.std(axis=(0, 1)).max() < _PLAIN:
            return "one colour"
        return "torn" if self._torn(image) else ""

    def _torn(self, image: np.ndarray) -> bool:
        """Whether the lower part of the frame is missing, or comes from another frame.

        Where a part is missing, one line is repeated; a part of another frame begins with a jump at one line. A
        jump at the same line in every frame (a video's black bar, a border round the picture) is no fault.
        """
        green = image[:, :: max(1, image.shape[1] // 96), 1].astype(np.int16)
        steps = np.abs(np.diff(green, axis=0)).mean(axis=1)
        if not len(steps):
            return False
        # Overexposed glass has identical lines, too, so entirely bright lines aren't counted.
        repeated = np.flatnonzero((steps == 0) & (green[1:].min(axis=1) < _BRIGHT))
        typical = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        line = int(np.argmax(steps))
        # At a tear only one line differs from the one above it; at the edge of a cell, several neighbouring lines do.
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
