"""What a machine calls itself."""

import platform
import re
from pathlib import Path


def text(file: Path) -> str | None:
    """The text of a file of the system; None if it is empty or can't be read."""
    try:
        return file.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def raspberry_pi(root: Path = Path("/")) -> str | None:
    """The model of a Raspberry Pi, such as "Raspberry Pi 4 Model B Rev 1.4"; None for any other machine.

    root: folder to take as the root of the file system; another one is for tests.
    """
    model = text(root / "proc/device-tree/model")
    return model if model and model.startswith("Raspberry Pi") else None


def processor(root: Path = Path("/")) -> str:
    """The name of the processor."""
    for line in (text(root / "proc/cpuinfo") or "").splitlines():
        if line.lower().startswith(("model name", "model\t")) and not line.split(":")[1].strip().isdigit():
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def file_name(name: str) -> str:
    """The name of a machine as a part of the names of files."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
