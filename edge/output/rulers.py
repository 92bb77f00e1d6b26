"""Notices rulers that a person should know of: poor and unfit ones, and two magnifications in one run."""

from typing import TYPE_CHECKING

from edge.classify import Answer
from edge.frames import Unreadable
from edge.output.sinks import Sink

if TYPE_CHECKING:
    from edge.red_cells import RedCellRuler


class Rulers(Sink):
    """Collects the rulers of a run, and says what to know of them."""

    def __init__(self) -> None:
        self._ruler: RedCellRuler | None = None
        self._pictures = self._cells = self._uncertain = 0

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable) or not result.found or not result.found.ruler:
            return
        self._ruler = result.found.ruler
        self._pictures += 1
        self._cells += len(result.cells)
        self._uncertain += sum(cell.uncertainty > 0 for cell, _ in result.cells)

    def complaint(self) -> str:
        """Why the site's ruler doesn't fit the run; "" if it fits, or if there is none."""
        return self._ruler.complaint() if self._ruler else ""

    def sentence(self, advised: bool = False) -> str:
        """What to know of the rulers, after the summary; "" for nothing. advised: --ruler was already spoken of."""
        if not self._ruler:
            return ""
        from edge.red_cells import FEWEST  # imports OpenCV, which is here already

        if self._ruler.fixed:
            return f" {self.complaint()}".rstrip()
        text = ""
        for small, large in self._ruler.magnifications():
            text += (
                f" Pictures of one size have two magnifications ({small} and {large} of those that were compared), so "
                "the red cells of each group are measured alone; better give a command for each."
            )
        if self._pictures < FEWEST and 0 < self._uncertain >= self._cells / 2 and not advised:
            text += (
                f" The red cells of so few pictures are a poor ruler (uncertain for {self._uncertain} of {self._cells} "
                f"cells): give {FEWEST} or more pictures of this microscope, or the diameter with --ruler PIXELS."
            )
        return text
