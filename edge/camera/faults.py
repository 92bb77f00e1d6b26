"""Pictures that show no slide: black, saturated, of one colour, frozen, torn. None of them is ever classified."""

import numpy as np

# Chosen on 100 fields of bccd's learned half and 40 simulated ones; the fields that benchmarks measure on had no say.
_BLACK = 24  # level: a frame with nearly nothing brighter shows nothing; of fields at most 0.5 % is so dark
_BRIGHT = 250  # level: a frame with nearly nothing darker shows nothing either; of fields at most 0.1 % is so bright
_NEARLY = 0.995
_PLAIN = 1.0  # levels of standard deviation: fields have 19 and more, an empty spot its noise and shading, 2 and more
_LINES = 0.03  # of the height: so many lines alike, in a picture of noise and cells, were never sent; fields have none
_JUMP = 3.0  # times the usual difference between a line and the next; fields have 1.4 to 3.7, torn ones 8 and more
_LEAST = 8.0  # levels of that difference; fields have 2.4 to 5.6, torn ones 9 and more
_ALONE = 2.0  # times the differences next to it: a tear is one line sharp; fields 1.0 to 2.9, torn ones 3.6 and more
_ALWAYS = 8  # frames in a row with their jump in one line: it belongs to the picture


class Faults:
    """Looks at each frame of one camera, in order."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._line, self._times = -1, 0
        self._usual: set[int] = set()

    def of(self, image: np.ndarray) -> str:
        """What is wrong with a frame, RGB uint8 [height, width, 3], in a word; "" where nothing is."""
        last, self._last = self._last, image
        sample = image[::8, ::8]
        if (sample <= _BLACK).mean() >= _NEARLY:
            return "black"
        if (sample >= _BRIGHT).mean() >= _NEARLY:
            return "saturated"
        if last is not None and _same(last[::8, ::8], sample) and _same(last, image):  # few pixels tell most apart
            return "frozen"
        if sample.std(axis=(0, 1)).max() < _PLAIN:
            return "one colour"
        return "torn" if self._torn(image) else ""

    def _torn(self, image: np.ndarray) -> bool:
        """Does a band of it repeat one line, as where the rest didn't arrive, or does another frame begin in a line?

        A line in which every frame jumps (a black bar of a video, a frame round the picture) is none of these.
        """
        green = image[:, :: max(1, image.shape[1] // 96), 1].astype(np.int16)
        steps = np.abs(np.diff(green, axis=0)).mean(axis=1)
        if not len(steps):
            return False
        alike = np.flatnonzero((steps == 0) & (green[1:].min(axis=1) < _BRIGHT))  # glass too bright is alike too
        typical = float(np.median(steps[steps > 0])) if steps.any() else 0.0
        line = int(np.argmax(steps))
        # The lines next to it tell a tear, one line sharp, from the edge of something seen.
        around = np.concatenate([steps[max(0, line - 3) : line], steps[line + 1 : line + 4]])
        jump = steps[line] >= max(_LEAST, _JUMP * typical) and steps[line] >= _ALONE * float(around.max(initial=0.0))
        band = len(alike) >= _LINES * len(image) and typical > 0
        if not (jump or band):
            self._times = 0
            return False
        mark = line if jump else int(alike[0])
        self._times = self._times + 1 if abs(mark - self._line) <= 1 else 1
        self._line = mark
        if self._times >= _ALWAYS:
            self._usual |= {mark - 1, mark, mark + 1}
        return mark not in self._usual


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.array_equal(one, other)
