"""The figures by which runtimes or programs are compared; the result of `benchmark runtimes` and `benchmark peers`."""

from dataclasses import dataclass

from benchmarks.interleaved import Timing
from benchmarks.machine import Conditions
from benchmarks.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Contender:
    """The figures of one runtime or program. A figure that wasn't measured is None.

    Attributes:
        milliseconds: time per picture in the network alone.
        load: seconds to open the network and run the first picture.
        cold: seconds from a cold start to the first answer, measured as the whole time of a process with one picture.
        per_second: pictures per second, without the first one.
        whole: pictures per second from the start of a process with many pictures to its end.
        megabytes: peak memory, in units of 2^20 bytes.
        pictures: number of pictures that were answered in one process.
        answers: of a runtime, how many answers agree with the reference; of a program, what it classifies.
    """

    milliseconds: Timing | None = None
    load: Range | None = None
    cold: Range | None = None
    per_second: Range | None = None
    whole: Range | None = None
    megabytes: Range | None = None
    pictures: int | None = None
    answers: str = "-"

    def figure(self, name: str) -> Range | None:
        """The figure with this name, which is one of the attributes."""
        found: Range | None = getattr(self, name)
        return found


@dataclass(frozen=True)
class Settings:
    """How it was measured.

    Attributes:
        rounds: number of rounds in which the contenders take turns.
        threads: number of threads of the network; None if it wasn't set.
        cores: number of cores that each process may use; None if it wasn't set.
        pictures: number of different pictures; None in results that state it elsewhere.
    """

    rounds: int
    threads: int | None = None
    cores: int | None = None
    pictures: int | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        settings: how it was measured.
        contenders: figures by name of the runtime or program.
        units: the figures to show and their units, by name of the figure.
        missing: why some runtimes or programs could not be measured, by name.
        state: state of the machine before and after.
    """

    settings: Settings
    contenders: dict[str, Contender]
    units: dict[str, str]
    missing: dict[str, str]
    state: Conditions
