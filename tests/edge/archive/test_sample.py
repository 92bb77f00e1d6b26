"""The doubtful cells of an archive as a session, and its summary."""

import re
from pathlib import Path

import pytest
from conftest import ROOT, assert_refused, invoke

pytest.importorskip("pyarrow", reason="needs the extra archive")

from archive_helpers import answer, draw, rows

from edge.archive import summary
from edge.archive.sample import doubtful
from edge.count.journal import Journal
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.share import share


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("sample") / "fields", 12, slides=3)


@pytest.fixture(scope="module")
def answered(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "answers"
    answer(fields, out=out)
    return out


def test_the_least_sure_come_first_in_turns_from_all_slides(answered: Path) -> None:
    chosen = doubtful(answered, 6)
    assert [row["label"] for row in chosen] == ["review"] * 6
    slides = [row["slide"] for row in chosen]
    assert set(slides[:3]) == set(slides[3:]) == {"slide-0", "slide-1", "slide-2"}
    of_one = [row for row in doubtful(answered, 1000) if row["slide"] == "slide-0"]
    sure = [max(row["probabilities"].values()) + (row.get("reason") == "cut by the border") for row in of_one]
    assert sure == sorted(sure)
    assert len(doubtful(answered, 1000)) == sum(row.get("label") == "review" for row in rows(answered, "fields"))


def test_a_sample_is_a_session_that_a_person_can_judge(answered: Path, tmp_path: Path) -> None:
    file = tmp_path / "doubtful.session"
    done = invoke("edge.archive", "sample", answered, "--doubtful", 5, "--out", file)
    assert done.returncode == 0 and f"edge-count review {file}" in done.stderr
    expected = {(row["source"], row["cell"]): row for row in doubtful(answered, 5)}
    with Journal.open(file) as journal:
        fields = journal.fields()
        cells = {(fields[cell.field].source, cell.number): cell for cell in journal.cells()}
        assert cells.keys() == expected.keys()
        for key, cell in cells.items():
            row = expected[key]
            assert (list(cell.box), cell.red_cell, cell.probabilities) == (
                row["box"],
                row["red_cell"],
                row["probabilities"],
            )
            assert (cell.answer, fields[cell.field].sha256) == ("review", row["sha256"])
            assert journal.field_picture(cell.field)
        review = Review(journal, "Ada")
        new = [cell.id for cell in cells.values() if cell.repeats is None]  # the drawn fields overlap
        assert sorted(cell.id for cell in review.waiting()) == sorted(new)
        review.judge(new[:1], Verdict("monocyte"))
        assert len(review.waiting()) == len(new) - 1


def test_what_a_sample_needs_is_said(answered: Path, fields: Path, tmp_path: Path) -> None:
    out = tmp_path / "doubtful.session"
    assert_refused(invoke("edge.archive", "sample", answered, "--site", "x", "--out", out), "no site 'x'", "fields")
    assert_refused(invoke("edge.archive", "sample", tmp_path, "--out", out), "holds no answers yet")
    out.write_text("mine")
    assert_refused(invoke("edge.archive", "sample", answered, "--out", out), "exists already")


def test_pictures_that_are_gone_are_left_out(tmp_path: Path) -> None:
    folder = draw(tmp_path / "fields", 4)
    answer(folder, out=tmp_path / "out")
    (folder / "slide-0" / "000.jpg").unlink()
    done = invoke("edge.archive", "sample", tmp_path / "out", "--out", tmp_path / "one.session")
    assert "1 pictures are gone or changed" in done.stderr
    for path in folder.rglob("*.*"):
        path.unlink()
    done = invoke("edge.archive", "sample", tmp_path / "out", "--out", tmp_path / "two.session")
    assert_refused(done, "are gone or were changed")
    assert not (tmp_path / "two.session").exists()


def test_the_summary_counts_what_the_rows_say(answered: Path) -> None:
    found = rows(answered, "fields")
    [site, *slides] = summary.read(answered)
    cells = [row for row in found if "label" in row]
    assert (site["pictures"], site["unreadable"], site["cells"]) == (15, 2, len(cells))
    assert (site["level"], site["unlike"]) == ("site", cells[0]["run"]["unlike"])
    expected = share(sum(row["label"] == "review" for row in cells), len(cells))
    assert (site["review_share"], site["review_low"], site["review_high"]) == (
        expected.value,
        expected.low,
        expected.high,
    )
    assert [row["slide"] for row in slides] == ["slide-0", "slide-1", "slide-2"]
    for key in ("pictures", "unreadable", "cells", "review"):
        assert sum(row[key] for row in slides) == site[key]


def test_the_query_of_the_page_runs(
    answered: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb")
    [code] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "archive.md").read_text(), re.M | re.S)
    monkeypatch.chdir(answered.parent)
    exec(code)
    shown = capsys.readouterr().out
    assert all(f"slide-{number}" in shown for number in range(3)) and "share" in shown


def test_show_names_the_worst_slide_first(answered: Path) -> None:
    slides = [row for row in summary.read(answered) if row["level"] == "slide"]
    slides[1] |= {"review_low": 0.99}
    slides[2] |= {"review_low": 0.01, "unreadable": slides[2]["pictures"]}
    slides[0] |= {"review_low": 0.02, "unreadable": 0}
    text = summary.text([*summary.read(answered)[:1], *slides], 2)
    table = text[text.index("the worst first") :]
    assert table.index("fields/slide-1") < table.index("fields/slide-2")
    assert "slide-0" not in table and "and 1 more slides" in table
    done = invoke("edge.archive", "show", answered)
    assert done.returncode == 0 and "fields/slide-0" in done.stdout
    assert_refused(invoke("edge.archive", "show", answered / "rows"), "holds no answers yet")
