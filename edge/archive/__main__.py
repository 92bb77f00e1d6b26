"""Starts `edge-archive`; also as `python -m edge.archive`."""

from edge.archive.cli import main
from edge.system.cli import end_at_once


def run() -> None:
    """Runs the command. Python isn't taken apart after it: Ray's native threads may crash then."""
    end_at_once(main, "ray")


if __name__ == "__main__":
    run()
