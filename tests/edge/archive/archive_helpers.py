"""What the tests of archives share: drawn fields, an engine without processes, and the rows that were written."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, command
from PIL import Image

from edge.archive import run, sources
from edge.archive.reader import Reader, Result, Settings, Task
from edge.simulator import drawing

ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def draw(folder: Path, count: int, slides: int = 2) -> Path:
    """Writes fields under SLIDE/NUMBER.jpg, none like another, a file with three pages, and two that can't be read."""
    rng = np.random.default_rng(5)
    fields = [drawing.field(rng, 2)[0] for _ in range(6)]
    for number in range(count):
        place = folder / f"slide-{number % slides}"
        place.mkdir(parents=True, exist_ok=True)
        shifted = np.roll(fields[number % 6], 17 * number, axis=1)
        Image.fromarray(shifted).save(place / f"{number:03}.jpg", quality=90)
    pages = [Image.fromarray(each) for each in fields[:3]]
    pages[0].save(folder / "slide-0" / "pages.tif", save_all=True, append_images=pages[1:])
    (folder / "slide-0" / "damaged.jpg").write_bytes((folder / "slide-0" / "000.jpg").read_bytes()[:5000])
    (folder / "slide-1" / "empty.png").write_bytes(b"")
    return folder


def here(settings: Settings, firsts: Mapping[str, bytes], tasks: Sequence[Task]) -> Generator[Result, None, None]:
    """An engine without processes."""
    reader = Reader(settings, firsts)
    for task in tasks:
        yield reader(task)


def answer(*named: object, out: Path, settings: Settings | None = None, anew: bool = False) -> run.Outcome:
    """Runs over sources without processes."""
    found = sources.find([str(each) for each in named])
    return run.run(run.Job(found.sites, out, settings or Settings(), here, anew))


def rows(out: Path, site: str) -> list[dict[str, Any]]:
    """The rows of a site as JSON lines have them."""
    from edge.archive import table

    found = list(table.read(out / "rows" / f"site={site}"))
    return [{key: value for key, value in row.items() if key not in ("slide", "sha256")} for row in found]


def lines(*arguments: object) -> list[dict[str, Any]]:
    """What `edge-classify --json` says."""
    done = command("edge", *arguments, "--json", "-")
    return [json.loads(line) for line in done.stdout.splitlines()]


def files(out: Path) -> dict[str, bytes]:
    """All Parquet files of rows."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted((out / "rows").rglob("*.parquet"))}


@contextmanager
def server(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server, as a process of its own, at a free port, which stands for "PORT" in its words. Gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
    # Not a pipe: nobody would read it.
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                assert process.poll() is None, "the server ended"
                time.sleep(0.1)
            else:
                pytest.fail("the server doesn't answer")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
