"""`edge-count` as a user runs it."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT
from count_helpers import fill, new_session

from edge.count.cli import main
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.simulator import demo


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn cells of `make demo`."""
    folder = tmp_path_factory.mktemp("pictures")
    demo.draw(folder)
    return folder


def edge_count(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_pictures_are_counted_once(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.session"
    done = edge_count("start", file, pictures, "--slide", "7", "--operator", "Ada", "--target", 100)
    assert done.exit_code == 0, done.output
    assert "of 100; start again to go on." in done.output and "Next: edge-count review" in done.output
    with Journal.open(file) as journal:
        cells = journal.count()
        assert cells >= 6
        assert journal.settings.slide == "7"
        assert journal.field_picture(1)
    shutil.copytree(pictures, tmp_path / "copied")
    again = edge_count("start", file, pictures, tmp_path / "copied")
    assert again.exit_code == 0, again.output
    assert "pictures were counted before." in again.output and "the count goes on" in again.output
    with Journal.open(file) as journal:
        assert len(outcome(journal).judged) == cells
        assert [run.software for run in journal.runs()] == ["0.1.0"] * 2


def test_a_run_ends_at_the_target_and_a_larger_one_goes_on(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.session"
    options = ("--of", "white", "--risk", "0.2")
    first = edge_count("start", file, pictures, "--target", 1, *options)
    assert first.exit_code == 0 and "are counted, of 1." in first.output
    with Journal.open(file) as journal:
        held = journal.count()
    full = edge_count("start", file, pictures, *options)
    assert full.exit_code == 2 and "give a larger --target" in full.output
    assert edge_count("start", file, pictures, "--target", 50, *options).exit_code == 0
    with Journal.open(file) as journal:
        assert journal.count() > held
        assert journal.settings.target == 50
        assert journal.actions(kinds=("settings",))[0].before == {"target": 1}


def test_the_simulated_microscope_is_counted_and_a_restart_recognises_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "a.session"
    for target in (4, 12):  # a run may end with a few more, which it had seen
        done = edge_count("start", file, "--camera", "sim:seed=3", "--of", "white", "--target", target)
        assert done.exit_code == 0, done.output
        assert f"are counted, of {target}." in done.output
    assert "were recognised as counted before" in done.output
    with Journal.open(file) as journal:
        found = outcome(journal)
        assert found.repeated >= 3
        # The cells of the first run come again in their order.
        again = [cell.repeats for cell in journal.cells() if cell.repeats]
        assert again == sorted(set(again))


def test_what_cannot_be_counted_is_said(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.session"
    text = tmp_path / "b.session"
    text.write_text("mine")
    for arguments, why in (
        ((file,), "Give either pictures or --camera"),
        ((file, pictures, "--camera", "sim"), "Give either pictures or --camera"),
        ((file, tmp_path / "none"), "No pictures found"),
        ((file, pictures, "--fps", 5), "--fps can only be used with --camera"),
        ((file, pictures, "--ruler", "picture"), "of one microscope"),
        ((text, pictures), "Can't use"),
        ((file, pictures, "--operator", "x" * 300), "may have 200 characters"),
        ((tmp_path / "no" / "a.session", pictures), "Can't use"),
    ):
        done = edge_count("start", *arguments)
        assert done.exit_code == 2 and why in done.output, (arguments, done.output)
        assert "Traceback" not in done.output
    assert text.read_text() == "mine"


def test_add_sign_check_amend_copy_list(tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["lymphocyte", "review"])
        file = Path(journal.path)
    assert "1 cell of it waits" in edge_count("sign", file, "--reader", "Ada").output
    with Journal.open(file) as journal:
        Review(journal, "Ada").judge([2], Verdict("monocyte"))
    added = edge_count("add", file, "--reader", "Ada", "--field", 1, "--at", 300, 200, "--verdict", "monocyte")
    assert added.exit_code == 0 and "cell 3, monocyte" in added.output
    assert "version 1" in edge_count("sign", file, "--reader", "Ada").output
    assert edge_count("check", file).output == f"{file} is whole: 3 cells, version 1, signed by Ada.\n"
    refused = edge_count("add", file, "--reader", "Ada", "--field", 1, "--at", 1, 1, "--verdict", "other")
    assert refused.exit_code == 2 and "is signed by Ada" in refused.output
    assert edge_count("copy", file, tmp_path / "copy.session").exit_code == 0
    assert edge_count("copy", file, tmp_path / "copy.session").exit_code == 2
    assert edge_count("amend", file, "--reader", "Bo", "--why", "one more cell").exit_code == 0
    (tmp_path / "broken.session").write_bytes(b"x" * 5000)
    listed = edge_count("list", tmp_path)
    assert listed.exit_code == 1 and "it is not a session" in listed.output
    rows = [line.split() for line in listed.output.splitlines() if line.startswith(("copy", "slide "))]
    assert [row[0] for row in rows] == ["copy", "slide"] and rows[0][-1] == "Ada" and rows[1][-1] == "-"
    assert edge_count("list", tmp_path / "none").exit_code == 2


def test_a_review_without_a_terminal_is_refused(tmp_path: Path) -> None:
    with new_session(tmp_path) as journal:
        fill(journal, ["review"])
    done = edge_count("review", journal.path, "--reader", "Ada")
    assert done.exit_code == 2 and "needs a terminal" in done.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edge-count', 'start', '--help']\n"
        "from edge.count.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'numpy', 'PIL', 'cv2', 'sqlite3'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stderr == "[]\n"
    for title in ("What to count", "Who judges", "The camera"):
        assert title in done.stdout


def test_a_clock_that_went_back_is_said(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr("edge.count.journal.time.time", lambda: now + 365 * 86400)
        with new_session(tmp_path) as journal:
            fill(journal, ["lymphocyte"])
    done = edge_count("start", journal.path, pictures)
    assert done.exit_code == 0 and "The clock is behind the session's latest entry" in done.output
    with Journal.open(journal.path) as opened:
        assert [each.id for each in opened.cells()] == list(range(1, opened.count() + 1))


def test_reports_and_exports(tmp_path: Path) -> None:
    with new_session(tmp_path, operator="Zoë") as journal:
        fill(journal, ["lymphocyte", "review", "monocyte"])
        Review(journal, "Ada").judge([2], Verdict("monocyte"))
        file = Path(journal.path)
    shown = edge_count("report", file)
    assert shown.exit_code == 0, shown.output
    assert "slide 7, Zoë" in shown.output
    assert ["monocyte", "2", "66.7", "[9.4,", "99.2]"] in [line.split() for line in shown.output.splitlines()]
    targets = [tmp_path / f"a{ending}" for ending in (".pdf", ".html", ".csv", ".json", ".hl7", ".fhir.json")]
    done = edge_count("report", file, *targets, "--into", tmp_path)
    assert done.exit_code == 0, done.output
    assert all(target.stat().st_size > 200 for target in targets)
    assert len(list(tmp_path.glob("*-v1.hl7"))) == 1
    again = edge_count("report", file, targets[0])
    assert again.exit_code == 2 and "exists already" in again.output
    assert "the formats are" in edge_count("report", file, "--into", tmp_path, "--format", "doc").output
    names = ("cells", "yolo")
    done = edge_count("export", file, "--cells", tmp_path / "cells", "--yolo", tmp_path / "yolo")
    assert done.exit_code == 0 and "with 3 cells." in done.output and "export with --persons" in done.output
    assert all((tmp_path / name).is_dir() for name in names)
    done = edge_count("export", file, "--cells", tmp_path / "judged", "--persons")
    assert "with 1 cells; left out: 2." in done.output and "Next: edge-site check" in done.output
    assert edge_count("export", file).exit_code == 2


def test_two_counts_are_compared(tmp_path: Path) -> None:
    files = []
    for name, monocytes in (("a", 10), ("b", 12), ("c", 40), ("d", 0)):
        folder = tmp_path / name
        folder.mkdir()
        with new_session(folder) as journal:
            fill(journal, ["monocyte"] * monocytes + ["lymphocyte"] * (100 - monocytes if monocytes else 0))
            files.append(Path(journal.path))
    alike, unlike, empty = (edge_count("compare", files[0], other).output for other in files[1:])
    assert "the second has 3 to 20 monocytes in 95 of 100 counts; it has 12." in alike
    assert "no more than chance explains" in alike and "(Fisher's exact test, p 0.82" in alike
    assert "by more than chance explains" in unlike
    assert "can't be compared" in empty
