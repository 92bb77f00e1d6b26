"""Does `edge-site adapt` learn what persons said about the cells of a session, and nothing else?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from edge.count.export import labels
from edge.count.export.advice import advice
from edge.count.export.cells import cells
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.recorder import jpeg
from edge.count.records import CountedCell, Field, Run, Settings
from edge.count.verdicts import Verdict
from edge.model import Model, Prediction
from edge.red_cells import KnownRuler
from edge.simulator import drawing
from edge.site import held, labelled
from edge.site import profile as profiles

RED_CELL = 40.0  # pixels of the drawn cells
Said = dict[str, str]  # verdicts by reader


def new_session(path: Path, **settings: object) -> Journal:
    journal = Journal.create(path, Settings(**settings))  # type: ignore[arg-type]
    journal.begin(Run("r", 1.0, "sim", "compact.tflite", "0" * 64))
    journal.add_field(Field("r", "a.png", 0, 1.0, 640, 480), None)
    return journal


def add(journal: Journal, kind: str, said: Said, answer: str = "review", repeats: int | None = None) -> int:
    """Adds a drawn cell, about which readers say something."""
    number = journal.count()
    look = drawing.Look(red_cell=RED_CELL)
    image = drawing.picture(
        kind, np.random.default_rng([number, len(journal.settings.slide)]), round(labels.SIDE * RED_CELL), look
    )
    box = (80, 80, 40, 40)
    cell = CountedCell(1, number, 100.0, 100.0, box, RED_CELL, answer, "", {answer: 1.0}, repeats, "r")
    cell_number = journal.add_cell(cell, jpeg(image, 400, 95))
    for reader, verdict in said.items():
        journal.judge(reader, {cell_number: Verdict(verdict)})
    return cell_number


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def test_only_what_persons_said_is_learned(tmp_path: Path, model: Model) -> None:
    with new_session(tmp_path / "a.session") as journal:
        kept = [
            add(journal, "monocyte", {"Ada": "lymphocyte"}),  # her word, not the picture
            add(journal, "lymphocyte", {"Ada": "lymphocyte"}, "lymphocyte"),  # confirmed
            add(journal, "neutrophil", {"Ada": "neutrophil"}),
            add(journal, "monocyte", {"Ada": "monocyte", "Bob": "lymphocyte"}),  # Bob has the last word
        ]
        add(journal, "lymphocyte", {}, "lymphocyte")  # the program's own answer
        add(journal, "lymphocyte", {})  # open
        add(journal, "monocyte", {"Ada": "unsure"})
        again = add(journal, "lymphocyte", {"Ada": "lymphocyte"}, repeats=kept[1])
        found = labels.labelled_cells(journal, model)
        digests = journal.picture_hashes()
    assert (found.unused, found.lost, found.damaged, found.doubtful) == (3, 0, [], True)
    assert [each.label for each in found.cells] == ["lymphocyte", "lymphocyte", "other", "lymphocyte", "lymphocyte"]
    # A cell seen again goes with the first.
    expected = [held.is_held(f"picture {digests[number]}") for number in (*kept, kept[1])]
    assert [each.held for each in found.cells] == expected
    gathered, _, _ = labelled.together(found.cells, model.labels)
    assert gathered.physical.tolist() == [0, 1, 2, 3, 1] and again == 8


def test_where_two_readers_differ_nothing_is_learned_until_a_third_decides(tmp_path: Path, model: Model) -> None:
    with new_session(tmp_path / "a.session", readers=2) as journal:
        add(journal, "monocyte", {"Ada": "monocyte", "Bob": "monocyte"})
        number = add(journal, "monocyte", {"Ada": "monocyte", "Bob": "lymphocyte"})
        assert [each.label for each in labels.labelled_cells(journal, model).cells] == ["monocyte"]
        journal.judge("Cy", {number: Verdict("lymphocyte")})
        assert [each.label for each in labels.labelled_cells(journal, model).cells] == ["monocyte", "lymphocyte"]


def held_out(path: Path, model: Model) -> dict[str, bool]:
    with Journal.open(path, read_only=True) as journal:
        found = labels.labelled_cells(journal, model).cells
    return {each.keys[-1]: each.held for each in found}


def test_a_cell_is_held_out_for_ever(tmp_path: Path, model: Model) -> None:
    """Also as the session grows, and in a copy of it."""
    with new_session(tmp_path / "a.session") as journal:
        for _ in range(12):
            add(journal, "lymphocyte", {"Ada": "lymphocyte"})
    before = held_out(tmp_path / "a.session", model)
    with Journal.open(tmp_path / "a.session") as journal:
        add(journal, "monocyte", {"Ada": "monocyte"})
        journal.copy(tmp_path / "copy.session")
    now = held_out(tmp_path / "copy.session", model)
    assert len(now) == 13 and before.items() < now.items() and set(before.values()) == {True, False}


def test_cells_of_one_picture_file_are_known_in_another_session(tmp_path: Path, model: Model) -> None:
    """Though their own pictures differ there; and in a folder that was exported."""
    for name, quality in (("a", 95), ("b", 80)):
        with Journal.create(tmp_path / f"{name}.session", Settings()) as journal:
            journal.begin(Run("r", 1.0, "a.png", "compact.tflite", "0" * 64))
            journal.add_field(Field("r", "a.png", 0, 1.0, 640, 480, "f" * 64), None)
            for number, kind in enumerate(drawing.KINDS):
                image = drawing.picture(kind, np.random.default_rng(number), 200, drawing.Look(red_cell=RED_CELL))
                cell = CountedCell(1, number, 9.0 + number, 9.0, (1, 1, 9, 9), RED_CELL, "review", "", {}, None, "r")
                journal.judge("Ada", {journal.add_cell(cell, jpeg(image, 400, quality)): Verdict(kind)})
            cells(journal, tmp_path / name, persons=True)
    assert held_out(tmp_path / "a.session", model) == held_out(tmp_path / "b.session", model)
    found, _ = labelled.predict_pictures(labelled.find(tmp_path / "a", model.labels), model)
    for name in ("a", "b"):
        with Journal.open(tmp_path / f"{name}.session", read_only=True) as journal:
            found += labels.labelled_cells(journal, model).cells
    gathered, _, contradictory = labelled.together(found, model.labels)
    assert not contradictory and (len(gathered), gathered.count(0), gathered.count(1)) == (6, 1, 1)


def test_the_cell_in_the_middle_is_meant(tmp_path: Path, model: Model) -> None:
    """Where no nucleus is found there, that of a neighbour isn't taken for it."""
    with new_session(tmp_path / "a.session") as journal:
        look = drawing.Look(red_cell=RED_CELL)
        image = drawing.picture("lymphocyte", np.random.default_rng(1), 200, look)
        moved = np.roll(image, 80, 1)
        cell = CountedCell(1, 0, 100.0, 100.0, (1, 1, 9, 9), RED_CELL, "", "", {}, None, "r")
        journal.judge("Ada", {journal.add_cell(cell, jpeg(moved, 400, 95)): Verdict("lymphocyte")})
        found = labels.labelled_cells(journal, model)
    assert (found.cells, found.lost) == ([], 1)


def test_the_scale_is_known(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the session's ruler, or by the site's; also where the picture was shrunk."""
    rulers: list[float] = []
    seen = labels._seen

    def spied(frame, cell, ruler, model, locator):  # type: ignore[no-untyped-def]
        rulers.append(ruler.diameter)
        return seen(frame, cell, ruler, model, locator)

    monkeypatch.setattr(labels, "_seen", spied)
    with new_session(tmp_path / "a.session") as journal:
        image = drawing.picture("lymphocyte", np.random.default_rng(1), 500, drawing.Look(red_cell=100.0))
        cell = CountedCell(1, 0, 300.0, 200.0, (1, 1, 9, 9), 100.0, "review", "", {}, None, "r")
        journal.judge("Ada", {journal.add_cell(cell, jpeg(image, 400, 95)): Verdict("lymphocyte")})
        for ruler in (None, KnownRuler(50.0, 0.0, (320, 240)), KnownRuler(90.0, 0.0, (600, 600))):
            monkeypatch.setattr(model, "ruler", ruler)
            labels.labelled_cells(journal, model)
    assert rulers == [80.0, 80.0, 80.0]  # 100 pixels; 50 of a field half as large; one of another shape isn't used


def test_damaged_and_foreign_sessions_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    text = tmp_path / "text.session"
    text.write_text("no session")
    assert_refused(invoke("edge.site", "adapt", "--from", text, "--out", out), "not a session")
    assert_refused(invoke("edge.site", "adapt", "--from", tmp_path / "absent", "--out", out), "is no file")
    new_session(tmp_path / "a.session").close()
    done = invoke("edge.site", "adapt", "--from", tmp_path / "a.session", "--out", out)
    assert_refused(done, "Persons judged no cells", "edge-count review")
    assert_refused(invoke("edge.site", "adapt", "--out", out), "--from SESSION")
    assert not out.exists()


def test_adapt_from_sessions_and_go_on(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile is written, tells how held-out cells are answered, and is gone on from with a second session."""
    usual = Model.predict

    def leaning(self: Model, crop: np.ndarray) -> Prediction:
        """As on a microscope where everything looks like a lymphocyte."""
        found = usual(self, crop)
        kinds = found.kinds * np.array([1, 1e-5, *[1] * (len(found.kinds) - 2)], np.float32)
        return replace(found, kinds=kinds / kinds.sum())

    monkeypatch.setattr(Model, "predict", leaning)
    for name, count in (("a", 30), ("bb", 34)):
        with new_session(tmp_path / f"{name}.session", slide=name, read="all") as journal:
            for number in range(2 * count):
                kind = drawing.KINDS[number % 2]
                add(journal, kind, {"Ada": kind})
            advised = advice(journal.path, outcome(journal))
    assert advised == "edge-site adapt --from bb.session --out my-site.json"
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    done = invoke("edge.site", "adapt", "--from", tmp_path / "a.session", "--out", one)
    assert done.returncode == 0, done.stderr
    assert "persons judged 30 lymphocyte, 30 monocyte" in done.stderr and "held out" in done.stdout
    more = ["--from", tmp_path / "a.session", "--from", tmp_path / "bb.session", "--site", one, "--out", two]
    done = invoke("edge.site", "adapt", *more)
    assert done.returncode == 0, done.stderr
    site = profiles.read(two)
    first, second = site.history
    assert first == profiles.read(one).history[0] and site.profile
    assert sum(second.cells.values()) > sum(first.cells.values())
    for event in site.history:
        assert event.recall
        tested = sum(each.count for each in event.recall.values())
        if event.held:
            assert min(each.count for each in event.recall.values()) >= profiles.FEWEST
        else:
            assert tested == sum(event.cells.values())
    assert second.recall and str(second.recall["monocyte"]) in invoke("edge.site", "history", two).stdout
