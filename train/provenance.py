"""Which code, command and libraries made a file: for run.json, and for the statement that `convert` writes."""

import importlib.metadata
import platform
import subprocess
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from edge import __version__

COMMAND: ContextVar[str] = ContextVar("command", default="")  # the command line, which the commands themselves set
_PROJECT = Path(__file__).parent.parent
_CODE = ("edge", "train", "convert")
# The libraries on which weights, pictures and graphs depend.
_PACKAGES = (
    "ai-edge-litert", "keras", "numpy", "opencv-python-headless", "pillow", "tensorflow", "tensorflow-cpu",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """What made a file.

    Attributes:
        command: the command line; "" if Python called the functions.
        code_version: version of this package.
        commit: git's name of the code; None if the code isn't a clone, as after `pip install`.
        changed: whether the code differed from that commit; None likewise.
        python: version of Python.
        machine: type of the processor, such as "x86_64".
        packages: versions of the libraries by name.
    """

    command: str
    code_version: str
    commit: str | None = None
    changed: bool | None = None
    python: str = ""
    machine: str = ""
    packages: dict[str, str] = field(default_factory=dict)


def made() -> Made:
    """What makes a file now."""
    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *_CODE)
    clone = _git("ls-files", "--", "edge/__init__.py")  # "" or None where this code isn't git's
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Made(
        command=COMMAND.get(),
        code_version=__version__,
        commit=commit if clone else None,
        changed=bool(changed) if clone else None,
        python=platform.python_version(),
        machine=platform.machine(),
        packages=packages,
    )


def _git(*arguments: str) -> str | None:
    """What git says of this code; None if it says nothing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=_PROJECT, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
