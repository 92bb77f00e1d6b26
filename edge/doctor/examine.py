"""Examines the whole machine, one thing after another. Starts with what needs no library."""

from collections.abc import Iterator
from pathlib import Path

from edge.doctor import system_checks
from edge.doctor.finding import Finding, worst


def examine(
    source: str | None = None,
    model: Path | None = None,
    folder: Path = Path(),
    show: bool = False,
    seconds: float = 10.0,
) -> Iterator[Finding]:
    """Examines everything that edge-classify needs on this machine.

    Args:
        source: the camera, as `edge-classify --camera` takes it; None for the first one that is found.
        model: the classifier's file; None for the shipped one.
        folder: where results will be written.
        show: whether a window is needed.
        seconds: how long to measure speed, in seconds; 0 skips it.

    Yields:
        Each finding as soon as it is made.
    """
    yield system_checks.python()
    libraries = system_checks.libraries()
    yield from libraries
    yield system_checks.disk(folder)
    yield system_checks.clock()
    if worst(libraries) == "bad":
        yield Finding("work", "bad", "Models, camera and speed were not examined.", "repair the libraries first")
    else:
        from edge.doctor import runtime_checks

        models = runtime_checks.models(model)
        yield from models
        if show:
            yield system_checks.display()
        yield runtime_checks.camera(source)
        if seconds and worst(models) == "fine":
            yield runtime_checks.speed(seconds, model)
    yield system_checks.power()  # last, because power and cooling fail under load
