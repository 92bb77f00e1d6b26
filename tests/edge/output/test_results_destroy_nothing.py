"""What is on the disk already stays: pictures, models, earlier results, and those of a run beside this one."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command
from PIL import Image

from edge import model
from edge.classify import Answer
from edge.errors import UserError
from edge.frames import Frame, Unreadable
from edge.live.terminal import CropWriter
from edge.output.sinks import Annotated, Csv, JsonLines, harmless, plain

LABELS = ("lymphocyte", "monocyte")


def empty(source: str) -> Answer:
    """The answer for a picture without a cell."""
    return Answer(Frame(np.full((40, 60, 3), 200, np.uint8), source, 0, 0.0), [])


@pytest.mark.parametrize("option", ["--csv", "--json"])
@pytest.mark.parametrize("spelt", ["b.png", "./b.png", "absolute", "symbolic", "hard", "model", "profile", "text"])
def test_a_file_that_holds_something_else_is_not_written(tmp_path: Path, option: str, spelt: str) -> None:
    picture = tmp_path / "b.png"
    Image.new("RGB", (50, 50), "white").save(picture)
    (tmp_path / "symbolic").symlink_to(picture)
    os.link(picture, tmp_path / "hard")
    shutil.copy(model.SHIPPED, tmp_path / "model")
    (tmp_path / "profile").write_text('{\n"site_profile": 1\n}\n')
    (tmp_path / "text").write_text("a letter")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    target = picture if spelt == "absolute" else tmp_path / spelt
    sink = Csv(str(tmp_path / "a.csv"), LABELS, "m") if option == "--csv" else JsonLines(str(tmp_path / "a.json"), "m")
    with pytest.raises(UserError, match="holds something other than these results"):
        sink._open(str(target), live=False)
    assert {path: path.read_bytes() for path in before} == before


def test_new_answers_are_added_to_earlier_ones(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50), "white").save(tmp_path / "b.png")
    arguments = (tmp_path / "b.png", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json")
    assert "earlier run" not in command("edge", *arguments).stderr
    again = command("edge", *arguments)
    assert again.returncode == 0 and again.stderr.count("holds answers of an earlier run; the new ones are added") == 2
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == [str(tmp_path / "b.png")] * 2
    assert len([json.loads(line) for line in (tmp_path / "a.json").read_text().splitlines()]) == 2


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("content", ["so", "NULs", "header", "half"])
def test_a_file_cut_off_in_its_first_line_is_set_aside(tmp_path: Path, live: bool, content: str) -> None:
    """A service would else fail again and again after a power cut in its first second."""
    for kind, make in (("csv", lambda path: Csv(path, LABELS, "m", live)), ("json", lambda p: JsonLines(p, "m", live))):
        path = tmp_path / f"a.{kind}"
        with make(str(path)) as sink:
            sink.add(Unreadable("a.png", "is empty."))
        whole = path.read_bytes()
        first = whole[: whole.index(b"\n")]
        cut = {"so": first[:2], "NULs": bytes(4096), "header": first[:30] + bytes(500), "half": first[:-1]}[content]
        for aside in (f"a.aside.{kind}", f"a.aside-2.{kind}"):
            path.write_bytes(cut)
            with make(str(path)) as sink:
                sink.add(Unreadable("a.png", "is empty."))
            assert path.read_bytes() == whole and (tmp_path / aside).read_bytes() == cut
            assert (
                f"was cut off in its first line, as by a power cut; it was renamed to {tmp_path / aside}" in sink.note
            )


def test_a_table_without_identities_is_set_aside(tmp_path: Path) -> None:
    """So that each row of a table at a camera has one."""
    path, link = tmp_path / "a.csv", tmp_path / "link.csv"
    with Csv(str(path), LABELS, "m", live=True) as sink:
        pass
    old = ",".join(sink.earlier) + "\n" + "," * (len(sink.earlier) - 1) + "\n"
    path.write_text(old)
    link.symlink_to(path)
    with Csv(str(link), LABELS, "m", live=True) as sink:
        pass
    assert "without the cells' identities; it was renamed to" in sink.note
    assert (tmp_path / "a.aside.csv").read_text() == old and path.read_text() == ",".join(sink.columns) + "\n"
    path.write_text(old)
    with pytest.raises(UserError, match="holds something other"):
        Csv(str(path), LABELS, "m")


def test_two_tables_need_two_files(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50), "white").save(tmp_path / "b.png")
    one = ("--csv", tmp_path / "x", "--json", f"{tmp_path}/./x")
    assert_refused(command("edge", tmp_path / "b.png", *one), "can't write one file")
    assert_refused(command("edge", "--camera", "sim", "--csv", "-"), "--csv writes a file")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("live", [False, True])
def test_a_second_run_may_not_write_to_a_table_meanwhile(tmp_path: Path, live: bool) -> None:
    for kind, make in (("csv", lambda path: Csv(path, LABELS, "m", live)), ("json", lambda p: JsonLines(p, "m", live))):
        path = tmp_path / f"a.{kind}"
        with make(str(path)) as sink:
            with pytest.raises(UserError, match="Another run writes to"):
                make(str(path))
            sink.add(Unreadable("a.png", "is empty."))
        assert path.read_text().count("a.png") == 1


def test_a_second_run_may_not_save_to_a_folder_meanwhile(tmp_path: Path) -> None:
    with CropWriter(str(tmp_path)), pytest.raises(UserError, match="Another run saves pictures"):
        CropWriter(str(tmp_path))
    with CropWriter(str(tmp_path)):
        pass


def test_each_picture_gets_a_file_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "a.annotated.jpg"
    own.write_text("the user's own")
    with Annotated(str(tmp_path)) as first, Annotated(str(tmp_path)) as second:
        for sink in (first, second):
            for source in ("x/a.png", "x/a-2.png", "y/a.png", f"{'é' * 300}.png"):
                sink.add(empty(source))
    assert own.read_text() == "the user's own"
    pictures = [path for path in tmp_path.iterdir() if path != own]
    assert len(pictures) == 8 and {Image.open(path).size for path in pictures} == {(60, 40)}


def test_a_picture_that_no_jpeg_can_hold_is_made_smaller(tmp_path: Path) -> None:
    frame = Frame(np.zeros((4, 70_000, 3), np.uint8), "long.png", 0, 0.0)
    with Annotated(str(tmp_path)) as sink:
        sink.add(Answer(frame, []))
    assert Image.open(tmp_path / "long.annotated.jpg").width == 65_500


NAMES = ("=1+1.png", "+a", "-a", "@a", "\ta", "\ra", "'a", "'=a", "a\rb", "a\nb", 'a"b,c', "=\r\n", "plain.png")


def test_no_name_is_a_formula_or_breaks_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with Csv(str(path), LABELS, "m") as sink:
        for name in NAMES:
            sink.add(empty(name))
    with path.open(newline="") as file:
        sources = [row["source"] for row in csv.DictReader(file)]
    assert [plain(source) for source in sources] == list(NAMES)
    assert not any(source.startswith(("=", "+", "-", "@", "\t", "\r")) for source in sources)
    assert harmless(-1.5) == -1.5


def test_a_name_never_reaches_the_terminal_raw(tmp_path: Path) -> None:
    name = "\x1b[31m\a\nb.png"
    (tmp_path / name).write_bytes(b"no picture")
    Image.new("RGB", (50, 50), "white").save(tmp_path / f"\x1b{name}")
    for arguments in ((tmp_path,), (tmp_path / "\x1bmissing",), (tmp_path, "--csv", tmp_path / name)):
        done = command("edge", *arguments)
        shown = done.stdout + done.stderr
        assert "\\x1b" in shown and not {"\x1b", "\a"} & set(shown), shown


def test_libtiff_prints_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.tif"
    Image.fromarray(rng.integers(0, 255, (100, 100, 3), np.uint8)).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    for place in rng.integers(8, len(content), 40):
        content[place] = rng.integers(0, 256)
    path.write_bytes(content)
    error, summary, _ = command("edge", path).stderr.splitlines()
    assert "cannot be read" in error and summary == "1 could not be read."
