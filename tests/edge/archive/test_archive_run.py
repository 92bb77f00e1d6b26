"""A run over an archive gives the answers of edge-classify, each once, whatever becomes of the run."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import assert_fits, assert_refused, invoke

pytest.importorskip("pyarrow", reason="needs the extra archive")

from archive_helpers import ENVIRONMENT, answer, draw, files, here, lines, rows

from edge.archive import run, sources
from edge.archive.reader import Result, Settings, Task
from edge.model import SHIPPED

PICTURES = 14
ALL = PICTURES + 3


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("archive") / "fields", PICTURES)


@pytest.fixture
def own(fields: Path, tmp_path: Path) -> Path:
    """A copy of the fields that a test may change."""
    return Path(shutil.copytree(fields, tmp_path / "fields"))


@pytest.fixture(scope="module")
def answered(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "answers"
    answer(fields, out=out)
    return out


def test_the_rows_are_the_lines_of_edge_classify(fields: Path, answered: Path) -> None:
    found, expected = rows(answered, "fields"), lines(fields)
    assert found == expected
    assert list(map(json.dumps, found)) == list(map(json.dumps, expected))  # the types, too
    for row in found:
        assert_fits(row, "result-line")


@pytest.mark.parametrize("options", [["--no-review"], ["--ruler", "picture"], ["--ruler", "40"], ["--whole-image"]])
def test_options_mean_what_they_mean_to_edge_classify(options: list[str], fields: Path, tmp_path: Path) -> None:
    done = invoke("edge.archive", "run", fields, "--out", tmp_path / "out", "--jobs", 1, *options)
    assert done.returncode == 1, done.stderr  # two can't be read
    assert rows(tmp_path / "out", "fields") == lines(fields, *options)


def test_a_profile_is_for_one_site(fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.frames import load
    from edge.site import profile

    size = load(fields / "slide-0" / "000.jpg")
    ruler = profile.Ruler(36.0, 34.0, 38.0, size.width, size.height, 20)
    monkeypatch.chdir(tmp_path)
    profile.write(profile.Site(ruler=ruler), "ruler.json")
    done = invoke("edge.archive", "run", fields, "--out", "out", "--jobs", 1, "--site", "ruler.json")
    assert done.returncode == 1, done.stderr
    expected = lines(fields, "--site", "ruler.json")
    assert rows(Path("out"), "fields") == expected != lines(fields)
    done = invoke("edge.archive", "run", fields / "slide-0", fields / "slide-1", "--out", "x", "--site", "ruler.json")
    assert_refused(done, "these are 2 sites")


def test_any_number_of_processes_writes_the_same_bytes(fields: Path, answered: Path, tmp_path: Path) -> None:
    done = invoke("edge.archive", "run", fields, "--out", tmp_path / "out", "--jobs", 3)
    assert "2 could not be read" in done.stderr
    assert files(tmp_path / "out") == files(answered)


def test_what_is_done_is_not_done_again(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert answer(own, out=out).answered == ALL
    before = files(out)
    assert answer(own, out=out).answered == 0
    for path in own.rglob("*.*"):
        path.touch()
    assert answer(own, out=out).answered == 0
    assert files(out) == before
    changed = own / "slide-0" / "000.jpg"
    shutil.copy(own / "slide-0" / "002.jpg", changed)
    assert answer(own, out=out).answered == 1
    mine = {
        name: [row for row in rows(out, "fields") if row["source"].endswith(name)] for name in ("000.jpg", "002.jpg")
    }
    assert [row | {"source": ""} for row in mine["000.jpg"]] == [row | {"source": ""} for row in mine["002.jpg"]]


def test_another_model_or_option_answers_all_anew(fields: Path, answered: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(answered, tmp_path / "out"))
    other = Settings(model=str(SHIPPED.with_name("compact-float32.tflite")))
    assert answer(fields, out=out, settings=other).answered == ALL
    assert {row.get("model") for row in rows(out, "fields")} == {other.opened().sha256, None}
    assert answer(fields, out=out, settings=Settings(risk=0.05)).answered == ALL
    assert answer(fields, out=out).answered == ALL
    assert files(out) == files(answered)


def test_later_pictures_are_answered_by_the_first_look(own: Path, tmp_path: Path) -> None:
    out, later = tmp_path / "out", tmp_path / "later"
    shutil.move(own / "slide-1", later)
    first = answer(own, out=out)
    before = rows(out, "fields")
    shutil.copytree(later, own / "slide-1", ignore=lambda _, names: [name for name in names if name != "001.jpg"])
    assert answer(own, out=out).answered == 1
    assert rows(out, "fields")[: len(before)] == before
    shutil.rmtree(own / "slide-1")
    shutil.copytree(later, own / "slide-1")
    assert answer(own, out=out, anew=True).answered == first.answered + 8
    assert rows(out, "fields") == lines(own)


def test_a_site_that_grew_much_is_looked_at_again(own: Path, tmp_path: Path) -> None:
    later = shutil.move(own / "slide-0", tmp_path / "later")
    (own / "slide-1" / "001.jpg").rename(tmp_path / "001.jpg")
    for path in sorted((own / "slide-1").iterdir())[3:]:
        path.unlink()
    answer(own, out=tmp_path / "out")
    shutil.move(later, own / "slide-0")
    answer(own, out=tmp_path / "out")
    assert rows(tmp_path / "out", "fields") == lines(own)


def start(source: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edge.archive", "run", str(source), "--out", str(out), "--jobs", str(jobs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | ENVIRONMENT)


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that answer pictures for a command: waits for the first. None if the command ends before."""
    while process.poll() is None:
        with suppress(OSError):
            found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if at_work := [int(each) for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]:
                return at_work
        time.sleep(0.02)
    return []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_none_is_lost_and_none_twice_after_kills(fields: Path, tmp_path: Path) -> None:
    """The command and its processes are killed again and again, at random moments; then the command goes on."""
    source = tmp_path / "sites"
    for number in range(40):  # so many that the run is still going on at each kill
        for path in fields.glob("slide-*/0*.jpg"):
            link = source / f"site-{number:02}" / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, link)
    named = [str(path) for path in sorted(source.iterdir())]
    table = tmp_path / "sites.csv"
    table.write_text("path,site\n" + "".join(f"{path},{Path(path).parts[-3]}\n" for path in source.rglob("*.jpg")))
    rng, killed = random.Random(0), 0
    for _ in range(4):
        with start(table, tmp_path / "out", 2) as process:
            for _ in range(2):
                found = workers(process)
                time.sleep(rng.uniform(0, 0.7))
                for each in found[:1]:
                    with suppress(ProcessLookupError):  # the command had ended it
                        os.kill(each, signal.SIGKILL)
                        killed += 1
            time.sleep(rng.uniform(0, 0.7))
            process.kill()
    assert killed > 1
    with (tmp_path / "out" / "journal" / "site-00.jsonl").open("ab") as file:
        file.write(b'["half a li')  # as a power cut leaves it
    with start(table, tmp_path / "out", 2) as process:
        assert process.wait(120) == 0
    answer(table, out=tmp_path / "whole")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    found = [
        row["source"] for each in named for row in rows(tmp_path / "out", Path(each).name) if row.get("cell", 0) == 0
    ]
    assert sorted(found) == sorted(str(path) for path in source.rglob("*.jpg"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_a_stopped_run_goes_on_and_leaves_no_process(fields: Path, answered: Path, tmp_path: Path) -> None:
    with start(fields, tmp_path / "out", 2) as process:
        found = workers(process)
        assert found
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    assert not any(Path(f"/proc/{each}").exists() for each in found)
    with start(fields, tmp_path / "out", 2) as process:
        process.wait(60)
    assert files(tmp_path / "out") == files(answered)


def test_two_runs_on_one_folder_refuse(fields: Path, answered: Path) -> None:
    with (answered / run.LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert_refused(invoke("edge.archive", "run", fields, "--out", answered), "Another run", "wait for its end")


def test_a_folder_of_something_else_is_left_alone(fields: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_refused(invoke("edge.archive", "run", fields, "--out", tmp_path), "something other than an archive")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_site_keeps_its_source(fields: Path, answered: Path, tmp_path: Path) -> None:
    (tmp_path / "fields").mkdir()
    shutil.copy(fields / "slide-0" / "000.jpg", tmp_path / "fields")
    done = invoke("edge.archive", "run", tmp_path / "fields", "--out", answered, "--jobs", 1)
    assert_refused(done, "fields", str(fields), "--out")
    done = invoke("edge.archive", "run", tmp_path / "fields", fields, "--out", tmp_path / "out")
    assert_refused(done, "would both be the site 'fields'")


def test_a_vanished_picture_is_a_row_until_it_is_back(own: Path, tmp_path: Path) -> None:
    listing, out = sources.find([str(own)]), tmp_path / "out"
    gone = own / "slide-1" / "003.jpg"
    gone.rename(tmp_path / "003.jpg")
    outcome = run.run(run.Job(listing.sites, out, Settings(), here))
    assert (outcome.answered, outcome.unreadable) == (ALL, 3)
    assert {"source": str(gone), "error": "does not exist."} in rows(out, "fields")
    (tmp_path / "003.jpg").rename(gone)
    again = answer(own, out=out)
    assert (again.answered, again.unreadable) == (1, 2)
    assert len(rows(out, "fields")) == len(lines(own))


def test_a_picture_that_changes_while_it_is_read_is_read_again(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.archive import reader

    changing, made = own / "slide-0" / "000.jpg", reader.rows
    other = (own / "slide-0" / "004.jpg").read_bytes()

    def rows_meanwhile(result: Any, model: str) -> list[reader.Row]:
        if changing.read_bytes() != other:
            changing.write_bytes(other)
        return made(result, model)

    monkeypatch.setattr(reader, "rows", rows_meanwhile)
    assert answer(own, out=tmp_path / "out").answered == ALL
    assert answer(own, out=tmp_path / "out").answered == 1
    assert answer(own, out=tmp_path / "out").answered == 0


def test_a_picture_is_not_blamed_for_another_one(own: Path, tmp_path: Path) -> None:
    answer(own, out=tmp_path / "out")
    deadly, harmless = own / "slide-1" / "zz-deadly.jpg", own / "slide-1" / "zz-harmless.jpg"
    for each in (deadly, harmless):
        shutil.copy(own / "slide-0" / "000.jpg", each)

    def engine(settings: Settings, firsts: Mapping[str, bytes], tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """As a cluster may do: an actor that ends takes what was queued for it along, here everything."""
        if not any(str(deadly) in task.paths for task in tasks):
            yield from here(settings, firsts, tasks)

    found = sources.find([str(own)])
    done = run.run(run.Job(found.sites, tmp_path / "out", Settings(), engine))
    assert done.answered == 2
    blamed = {row["source"] for row in rows(tmp_path / "out", "fields") if "processes" in row.get("error", "")}
    assert blamed == {str(deadly)}


@pytest.mark.slow
@pytest.mark.parametrize("engine", [["--jobs", "2"], ["--ray", "local", "--jobs", "2"]], ids=["pool", "ray"])
def test_a_picture_that_ends_its_processes_is_a_row(engine: list[str], own: Path, tmp_path: Path) -> None:
    if engine[0] == "--ray":
        pytest.importorskip("ray")
    answer(own, out=tmp_path / "out")
    before = rows(tmp_path / "out", "fields")
    deadly = own / "slide-1" / "zz-deadly.jpg"
    shutil.copy(own / "slide-0" / "000.jpg", deadly)
    shutil.copy(own / "slide-0" / "000.jpg", own / "slide-1" / "zz-harmless.jpg")
    # Python runs this at its start: opening the picture ends the process, as a crash of a decoder would.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('zz-deadly.jpg'): os._exit(9)\n"
        "sys.addaudithook(watch)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])}
    line = [sys.executable, "-m", "edge.archive", "run", str(own), "--out", str(tmp_path / "out"), *engine]
    # Ray takes half a minute to replace an actor on a machine that is busy, and this picture ends six of them.
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=900)
    assert done.stderr.startswith(f"2 pictures were answered, {ALL} were done before"), done.stderr
    [row, *harmless] = rows(tmp_path / "out", "fields")[len(before) :]
    assert rows(tmp_path / "out", "fields")[: len(before)] == before
    assert row["source"] == str(deadly) and "the processes that read it ended" in row["error"]
    assert harmless and all("label" in each for each in harmless)
    assert answer(own, out=tmp_path / "out").answered == 1  # by a program that it doesn't end


def test_without_the_extra_a_sentence_says_what_to_install(fields: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Without(MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        if name[:7] in ('pyarrow', 'fsspec'): raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from edge.archive.cli import main\n"
        "main()\n"
    )
    for words in (["show", str(tmp_path)], ["run", str(fields), "--out", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ | ENVIRONMENT
        )
        assert_refused(done, "pip install 'edge-classify[archive]'")
