"""What contenders for the same task are compared by; `benchmark runtimes` and `benchmark peers` both give this."""

from dataclasses import dataclass

from benchmarks.interleaved import Timing
from benchmarks.machine import Conditions
from benchmarks.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One contender. A figure that wasn't measured is None.

    Attributes:
        milliseconds: a picture in the network alone.
        load: seconds to open the network and run the first picture.
        cold: seconds from a cold start to the first answer.
        per_second: pictures a second, after the first.
        megabytes: peak memory.
        pictures: that were answered in one process.
        answers: how many answers agree with the reference, or what is answered.
    """

    milliseconds: Timing | None = None
    load: Range | None = None
    cold: Range | None = None
    per_second: Range | None = None
    megabytes: Range | None = None
    pictures: int | None = None
    answers: str = "-"

    def figure(self, name: str) -> Range | None:
        """The figure of that name, one of the attributes."""
        found: Range | None = getattr(self, name)
        return found


@dataclass(frozen=True)
class Settings:
    """How it was measured.

    Attributes:
        rounds: in which the contenders take turns.
        threads: of the network; None where that wasn't set.
        cores: that each process may use; None where that wasn't set.
        pictures: different ones; None where that stands elsewhere.
    """

    rounds: int
    threads: int | None = None
    cores: int | None = None
    pictures: int | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What contenders came to.

    Attributes:
        settings: how it was measured.
        contenders: by name.
        units: of the figures that are shown, by the name of the figure.
        missing: why others could not be measured, by name.
        state: of the machine.
    """

    settings: Settings
    contenders: dict[str, Contender]
    units: dict[str, str]
    missing: dict[str, str]
    state: Conditions
