"""The session file: what is written stays, whoever else has the file open and whenever the program is killed."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from count_helpers import fill, new_session

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import Field, Settings
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.errors import UserError


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with new_session(tmp_path) as made:
        yield made


def test_a_session_holds_what_was_written(journal: Journal) -> None:
    cells = fill(journal, ["lymphocyte", "review"])
    Review(journal, "Ada").judge([cells[1]], Verdict("other", "plasma cell"))
    journal.close()
    with Journal.open(journal.path) as opened:
        assert opened.settings == Settings(slide="7", operator="Ada")
        assert opened.id == journal.id
        assert [each.id for each in opened.runs()] == ["r1"]
        first, second = opened.cells()
        assert (first.answer, second.answer, second.reason) == ("lymphocyte", "review", "close call 60:40")
        assert first.probabilities == {"lymphocyte": 0.95, "monocyte": pytest.approx(0.05), "other": 0.0}
        assert opened.verdicts() == {"Ada": {cells[1]: Verdict("other", "plasma cell")}}
        assert opened.said_of(cells[1]) == {"Ada": Verdict("other", "plasma cell")}
        assert opened.crop(cells[0])[:2] == b"\xff\xd8"


def test_nothing_that_was_written_can_be_changed(journal: Journal) -> None:
    (cell,) = fill(journal, ["review"])
    Review(journal, "Ada").judge([cell], Verdict("monocyte"))
    other = sqlite3.connect(journal.path)
    for sql in (
        "UPDATE actions SET after = NULL",
        "DELETE FROM actions",
        "UPDATE cells SET answer = 'monocyte'",
        "DELETE FROM cells",
        "UPDATE crops SET jpeg = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            other.execute(sql)
    other.close()


def test_a_correction_is_one_more_action(journal: Journal) -> None:
    (cell,) = fill(journal, ["lymphocyte"])
    review = Review(journal, "Ada")
    review.judge([cell], Verdict("monocyte"))
    review.judge([cell], Verdict("basophil"))
    actions = journal.actions(cell=cell)
    assert [(each.before, each.after) for each in actions] == [
        (None, ["monocyte", ""]),
        (["monocyte", ""], ["basophil", ""]),
    ]
    assert all(each.reader == "Ada" and abs(each.at - time.time()) < 60 for each in actions)


def test_the_file_alone_is_the_whole_session(journal: Journal, tmp_path: Path) -> None:
    fill(journal, ["lymphocyte", "review"])
    during = tmp_path / "during.session"
    journal.copy(during)
    journal.close()
    after = tmp_path / "after.session"
    shutil.copy(journal.path, after)
    for file in (during, after):
        with Journal.open(file) as copied:
            assert (copied.id, copied.count()) == (journal.id, 2)


def test_others_read_and_judge_while_it_is_counted(journal: Journal) -> None:
    journal.lock_for_counting()
    (cell,) = fill(journal, ["review"])
    with Journal.open(journal.path, read_only=True) as reading, Journal.open(journal.path) as judging:
        Review(judging, "Bo").judge([cell], Verdict("monocyte"))
        assert outcome(reading).labels == {"monocyte": 1}
        with pytest.raises(UserError, match="Another edge-count counts into"):
            judging.lock_for_counting()
        with pytest.raises(UserError, match="for reading only"):
            Review(reading, "Bo").judge([cell], Verdict("monocyte"))
    fill(journal, ["lymphocyte"])  # the lock of the database isn't lost with the other's descriptor
    assert journal.count() == 2


def test_it_is_read_on_a_card_that_is_read_only(journal: Journal, tmp_path: Path) -> None:
    fill(journal, ["lymphocyte"])
    journal.close()
    code = (
        "import os; from edge.count.journal import Journal\n"
        "os.setuid(65534)\n"
        f"journal = Journal.open({journal.path!r}, read_only=True); print(journal.count())\n"
        f"Journal.open({journal.path!r})\n"
    )
    Path(journal.path).chmod(0o444)
    if os.getuid():
        pytest.skip("needs root, to become somebody who may not write")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "1\n"
    assert "UserError: Can't use" in done.stderr and "read-only" in done.stderr


def test_a_full_disk_is_said_and_loses_nothing(journal: Journal) -> None:
    cells = fill(journal, ["lymphocyte"] * 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.size() + 4096, before[1]))
    try:
        with pytest.raises(UserError, match=r"Can't use .*: (there is no space left on the disk|the disk fails)"):
            for _ in range(100):
                fill(journal, ["lymphocyte"] * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    held = [cell.id for cell in journal.cells()]
    assert held[:3] == cells
    assert (len(held) - 3) % 10 == 0 or len(held) > 3
    fill(journal, ["monocyte"])
    assert journal.cells()[-1].answer == "monocyte"


def test_other_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "a.txt", tmp_path / "b.sqlite", tmp_path / "c.session"
    text.write_text("no database, but long enough to be taken for one" * 50)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE t (a)")
    Journal.create(newer, Settings()).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    for path, why in (
        (text, "it is not a session"),
        (other, "is not a session"),
        (newer, "written by a newer edge-count"),
        (tmp_path / "none.session", "is no file"),
        (tmp_path, "is no file"),
    ):
        with pytest.raises(UserError, match=why):
            Journal.open(path)
    with pytest.raises(UserError, match="exists already"):
        Journal.create(text, Settings())
    assert text.read_text().startswith("no database")


def test_a_damaged_file_is_said(journal: Journal) -> None:
    fill(journal, ["lymphocyte"] * 30)
    journal.close()
    path = Path(journal.path)
    content = bytearray(path.read_bytes())
    content[4096:60000] = os.urandom(60000 - 4096)
    path.write_bytes(content)
    with pytest.raises(UserError, match="Can't use"), Journal.open(path) as opened:
        opened.cells()


def test_fields_without_a_doubtful_cell_are_dropped_first(journal: Journal) -> None:
    journal.change_settings(replace(journal.settings, fields=2))
    fill(journal, ["lymphocyte"])
    fill(journal, ["review"])
    fill(journal, ["lymphocyte"])
    fill(journal, ["monocyte"])
    assert [number for number in journal.fields() if journal.field_picture(number)] == [2, 4]


def test_a_picture_file_is_known_by_its_content(journal: Journal) -> None:
    journal.add_field(Field("r1", "a.png", 0, 1.0, 10, 10, "ab"), None)
    assert journal.knows("ab", 0)
    assert not journal.knows("ab", 1)
    assert not journal.knows("cd", 0)


KILLED = """
import sys, time
from edge.count.journal import Journal
from edge.count.review import Review
from edge.count.verdicts import Verdict
sys.path.insert(0, {helpers!r})
from count_helpers import fill, run
name = sys.argv[2]
with Journal.open(sys.argv[1]) as journal:
    if name.startswith("count"):
        journal.begin(run(name))
        while True:
            for cell in fill(journal, ["review", "lymphocyte"], name):
                print("cell", cell, flush=True)
    review = Review(journal, name)
    while True:
        for cell in review.waiting()[:20]:
            review.judge([cell.id], Verdict("monocyte"))
            print("verdict", cell.id, flush=True)
"""


def test_whatever_was_shown_survives_a_kill(journal: Journal, tmp_path: Path) -> None:
    """A process that counts and one that reviews are killed at random moments, again and again."""
    journal.close()
    chance = random.Random(1)
    code = KILLED.format(helpers=str(Path(__file__).parent))
    shown: dict[str, set[int]] = {"cell": set(), "verdict": set()}
    for turn in range(6):
        children = [
            subprocess.Popen(
                [sys.executable, "-c", code, journal.path, name], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for name in (f"count{turn}", "Ada")
        ]
        first = [child.stdout.readline() if child.stdout else "" for child in children]  # both are at work
        time.sleep(chance.random())
        for child in children:
            child.kill()
        for child, beginning in zip(children, first, strict=True):
            for line in (beginning + child.communicate()[0]).splitlines(keepends=True):
                if line.endswith("\n"):
                    kind, number = line.split()
                    shown[kind].add(int(number))
        with Journal.open(journal.path) as opened:
            held = [cell.id for cell in opened.cells()]
            assert len(held) == len(set(held))
            assert shown["cell"] <= set(held)
            assert shown["verdict"] <= set(opened.verdicts().get("Ada", {}))
    assert shown["cell"] and shown["verdict"]
