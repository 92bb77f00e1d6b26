"""Verdicts, readers, undo and redo, signing: what a session counts in the end."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from count_helpers import fill, new_session

from edge.count import signing
from edge.count.journal import Journal
from edge.count.outcome import expected_error, outcome
from edge.count.records import ALL, WHITE
from edge.count.review import Review
from edge.count.summary import NOT_A_DEVICE, SHARES_ONLY, summary
from edge.count.verdicts import VERDICTS, Verdict, mapped_keys
from edge.errors import UserError

MONOCYTE, LYMPHOCYTE = Verdict("monocyte"), Verdict("lymphocyte")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with new_session(tmp_path, target=4) as made:
        yield made


def test_doubtful_cells_wait_and_count_nowhere(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "review", "monocyte", "other"])
    found = outcome(journal)
    assert found.labels == {"lymphocyte": 1, "": 1, "monocyte": 1, "other": 1}
    assert (found.counted, found.white, [each.cell.id for each in found.open]) == (2, 3, [2])
    Review(journal, "Ada").judge([2], MONOCYTE)
    found = outcome(journal)
    assert (found.counted, found.open, found.judged[1].by) == (3, [], "Ada")


def test_all_nucleated_white_cells_count_where_they_should(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "other", "review", "review"])
    journal.change_settings(replace(journal.settings, counted=WHITE))
    review = Review(journal, "Ada")
    review.judge([3], Verdict("not a cell"))
    review.judge([4], Verdict("nucleated red cell"))
    assert outcome(journal).counted == 2


def test_the_likeliest_errors_come_first(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "review", "monocyte", "review"])
    assert [cell.id for cell in Review(journal, "Ada").waiting()] == [2, 4]
    doubtful, named = journal.cell(2), journal.cell(1)
    assert expected_error(doubtful) == pytest.approx(1.4)
    assert expected_error(named) == pytest.approx(0.05)


def test_undo_and_redo_of_any_depth(journal: Journal) -> None:
    fill(journal, ["review"] * 6)
    review = Review(journal, "Ada")
    review.judge([1], MONOCYTE)
    review.judge([2, 3], LYMPHOCYTE)
    review.judge([1], Verdict("basophil"))
    Review(journal, "Bo").judge([6], MONOCYTE)  # another reader's steps are another reader's
    assert review.undo() == [1]
    assert journal.said_of(1)["Ada"] == MONOCYTE
    assert review.undo() == [2, 3]
    assert review.undo() == [1]
    assert review.undo() == []
    assert "Ada" not in journal.said_of(1)
    assert [review.redo(), review.redo(), review.redo(), review.redo()] == [[1], [2, 3], [1], []]
    assert {cell: journal.said_of(cell)["Ada"].kind for cell in (1, 2, 3)} == {
        1: "basophil",
        2: "lymphocyte",
        3: "lymphocyte",
    }
    review.undo()
    review.judge([5], MONOCYTE)
    assert review.redo() == []  # after a new verdict there is nothing to redo
    assert Review(Journal.open(journal.path), "Ada").undo() == [5]  # also after a restart
    assert journal.said_of(6)["Bo"] == MONOCYTE


def test_a_missed_cell_is_added_and_taken_back(journal: Journal) -> None:
    fill(journal, ["lymphocyte"])
    review = Review(journal, "Ada")
    added = review.add(1, 320, 240, MONOCYTE)
    assert outcome(journal).labels == {"lymphocyte": 1, "monocyte": 1}
    assert journal.cell(added).added and journal.crop(added)
    review.undo()
    assert outcome(journal).labels == {"lymphocyte": 1}
    review.redo()
    assert outcome(journal).labels == {"lymphocyte": 1, "monocyte": 1}
    with pytest.raises(UserError, match="outside of field 1"):
        review.add(1, 640, 10, MONOCYTE)
    with pytest.raises(UserError, match="no field 9"):
        review.add(9, 1, 1, MONOCYTE)


def test_two_readers_and_a_third_where_they_differ(journal: Journal) -> None:
    fill(journal, ["review", "review", "lymphocyte", "monocyte"])
    journal.change_settings(replace(journal.settings, readers=2, read=ALL))
    ada, bo, cy = (Review(journal, name) for name in ("Ada", "Bo", "Cy"))
    ada.judge([1, 4], MONOCYTE)
    ada.judge([2, 3], LYMPHOCYTE)
    assert ada.waiting() == []
    assert {cell.id for cell in bo.waiting()} == {1, 2, 3, 4}
    assert outcome(journal).counted == 0
    bo.judge([1, 4], MONOCYTE)
    bo.judge([2], Verdict("other", "plasma cell"))
    bo.judge([3], LYMPHOCYTE)
    found = outcome(journal)
    assert [(each.cell.id, each.open) for each in found.open] == [(2, "the readers differ")]
    assert found.judged[0].by == "Ada and Bo"
    assert [cell.id for cell in cy.waiting()] == [2]
    with pytest.raises(UserError, match="1 cell of it waits for a person"):
        signing.sign(journal, "Ada")
    said = summary(journal)
    assert said.agreement and said.agreement.same.right == 3
    assert said.differences[0].said == {"Ada": "lymphocyte", "Bo": "other (plasma cell)"}
    cy.judge([2], LYMPHOCYTE)
    assert outcome(journal).labels == {"monocyte": 2, "lymphocyte": 2}


def test_a_sure_cell_that_one_reader_corrects_waits_for_the_other(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "lymphocyte"])
    journal.change_settings(replace(journal.settings, readers=2))
    Review(journal, "Ada").judge([1], MONOCYTE)
    assert [cell.id for cell in Review(journal, "Bo").waiting()] == [1]
    assert outcome(journal).labels == {"": 1, "lymphocyte": 1}


def test_signing_freezes_a_session_and_names_the_version_before(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "review"])
    with pytest.raises(UserError, match="1 cell of it waits for a person"):
        signing.sign(journal, "Ada")
    review = Review(journal, "Ada")
    review.judge([2], MONOCYTE)
    first = signing.sign(journal, "Ada")
    assert (first.version, first.reader, first.replaces, first.intact) == (1, "Ada", "", True)
    for change in (
        lambda: review.judge([2], LYMPHOCYTE),
        lambda: review.undo(),
        lambda: fill(journal, ["lymphocyte"]),
        lambda: journal.change_settings(replace(journal.settings, slide="8")),
        lambda: signing.sign(journal, "Bo"),
    ):
        with pytest.raises(UserError, match="is signed by Ada"):
            change()
    signing.amend(journal, "Bo", "a wrong cell")
    review.judge([2], LYMPHOCYTE)
    assert signing.signature(journal) is None
    second = signing.sign(journal, "Bo")
    assert (second.version, second.replaces, second.intact) == (2, first.sha256, True)
    with pytest.raises(UserError, match="needs a name and a reason"):
        signing.amend(journal, "Bo", " ")


def test_a_change_behind_the_back_breaks_the_signature(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "monocyte"])
    signing.sign(journal, "Ada")
    with sqlite3.connect(journal.path) as other:
        other.execute("DROP TRIGGER cells_stay")
        other.execute("UPDATE cells SET answer = 'monocyte' WHERE id = 1")
    found = signing.signature(journal)
    assert found and not found.intact
    assert summary(journal).notices[0].startswith("The session was changed after it was signed")
    assert signing.altered_pictures(journal) == []
    with sqlite3.connect(journal.path) as other:
        other.execute("DROP TRIGGER crops_stay")
        other.execute("UPDATE crops SET jpeg = x'ff' WHERE cell = 2")
    assert signing.altered_pictures(journal) == [2]


def test_an_empty_session_is_not_signed(journal: Journal) -> None:
    with pytest.raises(UserError, match="it holds no cell"):
        signing.sign(journal, "Ada")


def test_the_summary_says_what_was_found_and_how_sure_it_is(journal: Journal) -> None:
    fill(journal, ["lymphocyte"] * 8 + ["monocyte"] * 2 + ["review", "lymphocyte"])
    review = Review(journal, "Ada")
    review.judge([11], Verdict("nucleated red cell"))
    review.judge([12], MONOCYTE)
    review.judge([1], LYMPHOCYTE)
    said = summary(journal)
    assert said.counts == {"lymphocyte": 8, "monocyte": 3, "nucleated red cell": 1}
    assert str(said.shares["monocyte"]) == "0.273 [0.060, 0.610] 3/11"
    assert str(said.ratio) == "0.375 [0.064, 1.562] 3:8"
    assert said.machine == {"lymphocyte": 9, "monocyte": 2, "review": 1}
    assert [(each.answer, each.right.right, each.right.count) for each in said.corrected] == [("lymphocyte", 1, 2)]
    assert said.nucleated_red_factor == pytest.approx(11 / 12)
    assert [each.cell.id for each in said.doubtful] == [11, 12]
    assert said.notices == [SHARES_ONLY, NOT_A_DEVICE]


def test_verdicts_and_keys_are_checked() -> None:
    assert list(mapped_keys("")) == [str(number) for number in range(1, 10)]
    assert mapped_keys("l=lymphocyte, 3=Monocyte") | {"3": "monocyte", "l": "lymphocyte"} == mapped_keys(
        "l=lymphocyte, 3=Monocyte"
    )
    for text, why in (
        ("ab=monocyte", "can't be mapped"),
        ("u=monocyte", "can't be mapped"),
        ("m=mono", "is no verdict"),
    ):
        with pytest.raises(UserError, match=why):
            mapped_keys(text)
    with pytest.raises(UserError, match="is no verdict"):
        Verdict("blast")
    with pytest.raises(UserError, match="may have 500 characters"):
        Verdict("other", "x" * 501)
    assert len(set(VERDICTS)) == 9


def test_a_reader_needs_a_name_and_a_cell_that_exists(journal: Journal) -> None:
    fill(journal, ["review"])
    for name in ("", "  ", "a\x1bb", "x" * 201):
        with pytest.raises(UserError, match="needs a name"):
            Review(journal, name).judge([1], MONOCYTE)
    with pytest.raises(UserError, match="has no cell 7"):
        Review(journal, "Ada").judge([1, 7], MONOCYTE)
    assert journal.verdicts() == {}  # a step is taken whole or not at all
