"""Several processes give the bytes that one gives, also if one of them is killed, or after ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from edge.simulator import drawing

PICTURES = 14
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forks, on Linux only")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn fields, a file with three pages, and two files that can't be read."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    fields = [drawing.field(rng, 2)[0] for _ in range(6)]
    for number in range(PICTURES):
        shifted = np.roll(fields[number % 6], 17 * number, axis=1)
        Image.fromarray(shifted).save(folder / f"{number:02}.jpg", quality=90)
    pages = [Image.fromarray(each) for each in fields[:3]]
    pages[0].save(folder / "07b.tif", save_all=True, append_images=pages[1:])
    (folder / "03b.jpg").write_bytes((folder / "03.jpg").read_bytes()[:5000])
    (folder / "11b.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def many(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures under so many names that a run of them lasts for seconds."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(30):
        for each in pictures.iterdir():
            os.link(each, folder / f"{number:02} {each.name}")
    return folder


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(*arguments: object) -> tuple[int, str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def workers(process: subprocess.Popen[str], count: int) -> list[int]:
    """The processes that a command has started, once there are so many."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(600):
        found = [int(each) for each in children.read_text().split()]
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise AssertionError("no workers were started")


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir())}


def test_the_bytes_are_the_same_for_any_number_of_processes(pictures: Path, tmp_path: Path) -> None:
    results = []
    for jobs in (1, 2, 3):
        done = run(pictures, "--jobs", jobs, "--json", "-", "--explain", tmp_path / f"explain {jobs}")
        results.append((*done, files(tmp_path / f"explain {jobs}")))
    assert results[0] == results[1] == results[2]
    code, out, err, explained = results[0]
    assert code == 1 and "03b.jpg" in err and "11b.png" in err
    assert len({json.loads(line)["source"] for line in out.splitlines()}) == PICTURES + 3  # two of them unreadable
    assert len(explained) == PICTURES + 3


@pytest.mark.parametrize("option", [["--whole-image"], ["--single", "--adapt"]])
def test_they_are_with_other_options(option: list[str], pictures: Path, tmp_path: Path) -> None:
    one, two = ([*run(pictures, "--jobs", jobs, *option, "--csv", tmp_path / f"{jobs}.csv")] for jobs in (1, 2))
    assert one == two and (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()


def test_annotated_pictures_are_the_same(pictures: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        run(pictures / "0*.jpg", "--jobs", jobs, "--annotate", tmp_path / f"{jobs}")
    assert files(tmp_path / "1") == files(tmp_path / "2") and len(files(tmp_path / "1")) == 10


def test_a_killed_worker_loses_nothing_and_repeats_nothing(many: Path) -> None:
    expected = run(many, "--jobs", 1, "--json", "-")
    for patience in (0.0, 0.5):  # during the start and the survey
        with start(many, "--jobs", 2, "--json", "-") as process:
            first, _ = workers(process, 2)
            time.sleep(patience)
            os.kill(first, signal.SIGKILL)
            out, err = process.communicate(timeout=120)
        assert out == expected[1] and process.returncode == expected[0]
        assert (
            "A worker process was ended by SIGKILL (is the memory full?); its other pictures were read without it."
            in err
        )


def test_ctrl_c_ends_all_processes_and_leaves_whole_lines(many: Path) -> None:
    with start(many, "--jobs", 2, "--json", "-") as process:
        started = workers(process, 2)
        time.sleep(0.3)
        for each in (process.pid, *started):  # as a terminal does
            os.kill(each, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Stopped after " in err and "Traceback" not in err
    assert all(json.loads(line) for line in out.splitlines())
    assert not any(Path(f"/proc/{each}").exists() for each in started)


def test_an_error_of_the_disk_ends_all_processes(pictures: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "edge", str(pictures), "--jobs", "2", "--json", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr


def test_jobs_and_threads_exclude_each_other(pictures: Path) -> None:
    code, _, err = run(pictures, "--jobs", 2, "--threads", 2)
    assert code == 2 and "give only --jobs" in err
