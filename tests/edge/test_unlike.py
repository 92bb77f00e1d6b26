"""A run that is unlike home is noticed without labels, says why, and is held to more."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA
from PIL import Image

from edge import classify, files, frames, unlike
from edge.classify import Answer, Predicted, Search
from edge.contract import Home, Usual
from edge.decide import REVIEW, Rules, decide
from edge.files import Job, Outcome
from edge.frames import Unreadable
from edge.live.session import Session, SessionSettings
from edge.locate import Locator
from edge.mahalanobis import Distance
from edge.model import Model, Prediction
from edge.output import sinks
from edge.simulator import drawing
from edge.unlike import Measures, Unlike

# The shipped file's home runs, as convert.home measured them on the val cells of pbc and raabin.
USUAL = {
    "sharpness": Usual(0.446, 0.112),
    "light": Usual(207.6, 21.0),
    "tint": Usual(0.797, 0.004),
    "nucleus": Usual(1.889, 0.222),
    "ruler": Usual(0.0, 0.0),
    "features": Usual(0.236, 0.053),
}
HOME = Home(USUAL, 0.1020)
KINDS = ("lymphocyte", "monocyte", "patch")


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


class Collected(sinks.Sink):
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def add(self, result: Answer | Unreadable) -> None:
        assert isinstance(result, Answer)
        self.answers.append(result)

    def labels(self) -> list[str]:
        return [decision.label for answer in self.answers for _, decision in answer.cells]


def run(paths: Sequence[str | Path], model: Model) -> tuple[Outcome, Collected]:
    collected = Collected()
    search = Search(single=Path(paths[0]).is_file() and "cells" in Path(paths[0]).parts)
    job = Job(frames.expand([str(path) for path in paths]), model, model.rules(0.01), search)
    return files.run(job, [collected]), collected


def distance(kinds: int = 3, size: int = 8) -> Distance:
    means = np.random.default_rng(1).normal(0, 4, (kinds, size))
    return Distance({"whiten": np.eye(size), "means": means})


def predictions(measure: Distance, count: int, moved: float, seed: int = 0) -> list[Prediction]:
    """Cells of random kinds that scatter by 1 in every direction, and are all moved by `moved` in each."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, len(measure.means), count)
    features = measure.means[kinds] + rng.normal(0, 1, (count, measure.means.shape[1])) + moved
    return [Prediction(np.full(3, 1 / 3), each.astype(np.float32)) for each in features]


@pytest.mark.parametrize("moved", [0.0, 0.5, 1.0])
def test_the_common_offset_is_measured_whatever_the_number_of_cells(moved: float) -> None:
    known = distance()
    for count in (12, 40, 400):
        found = [unlike.measure(predictions(known, count, moved, seed), [], known).values for seed in range(40)]
        squares = [each["features"] * abs(each["features"]) for each in found]
        assert np.mean(squares) == pytest.approx(moved**2, abs=0.08)


def test_without_features_without_home_or_of_a_single_cell_nothing_is_said() -> None:
    known = distance()
    nothing = Unlike()
    assert unlike.compare(unlike.measure([], [], known), HOME, KINDS) == nothing
    assert unlike.compare(unlike.measure(predictions(known, 30, 3.0), [], None), HOME, KINDS) == nothing
    assert unlike.compare(unlike.measure(predictions(known, 30, 3.0), [], known), None, KINDS) == nothing
    assert unlike.compare(unlike.measure(predictions(known, 30, 3.0), [], known), HOME, KINDS).value > 0
    assert (
        unlike.compare(unlike.measure(predictions(known, 1, 9.0), [], known), HOME, KINDS) == nothing
    )  # a single cell


def test_few_cells_say_less_than_many() -> None:
    values = [unlike.compare(Measures(count, {"features": 0.6}), HOME, KINDS).value for count in (2, 5, 20, 100)]
    assert values[0] > 0 and values == sorted(values) and len(set(values)) == 4


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("nucleus", 0.5, "paler"),
        ("nucleus", 3.5, "darker"),
        ("sharpness", 0.1, "less sharp"),
        ("light", 90.0, "darker"),
        ("tint", 1.2, "bluer"),
        ("ruler", 0.14, "red cells"),
    ],
)
def test_it_says_what_is_farthest_from_home(name: str, value: float, word: str) -> None:
    usual = {each: one.middle for each, one in USUAL.items()}
    found = unlike.compare(Measures(100, usual | {"features": 0.7, name: value}), HOME, KINDS)
    assert word in found.why
    assert "look unlike" in unlike.compare(Measures(100, usual | {"features": 0.7}), HOME, KINDS).why


def test_unlike_runs_are_held_to_more() -> None:
    """A stricter rule never names a cell that the usual rule leaves for review."""
    rules = Rules(("lymphocyte", "monocyte", "other"), min_confidence=0.9, max_other=0.17, min_other=0.94, abstain=True)
    assert unlike.held_to_more(rules, Unlike()) == rules
    assert (
        unlike.held_to_more(Rules(("a", "b"), min_confidence=1e-320, abstain=True), Unlike(1.0)).min_confidence < 1e-9
    )
    rng = np.random.default_rng(0)
    given = []
    cells = rng.dirichlet([0.3, 0.3, 0.3], 400)
    for value in (0.0, 0.3, 1.0, 2.0):
        labels = [decide(each, unlike.held_to_more(rules, Unlike(value))).label for each in cells]
        given.append({i for i, label in enumerate(labels) if label != REVIEW})
    assert given[0] > given[1] > given[2] >= given[3]


def _shared(*parts: str) -> Path:
    path = DATA.parent.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs real pictures, but {path} is absent")
    return path


@pytest.mark.parametrize("source", ["pbc", "raabin"])
def test_a_real_run_from_home_is_answered_as_before(model: Model, source: str) -> None:
    paths = [_shared("data", "cells", source, "test", name) for name in ("lymphocyte", "monocyte", "neutrophil")]
    chosen = [file for path in paths for file in frames.expand([str(path)])[:30]]
    outcome, collected = run(chosen, model)
    assert outcome.unlike == Unlike() and outcome.shift is None
    before = Model()
    before.home = None
    answers = classify.classify(chosen, before, before.rules(0.01), Search(single=True))
    plain = [decision.label for each in answers if isinstance(each, Answer) for _, decision in each.cells]
    assert collected.labels() == plain


@pytest.mark.parametrize("one", range(3))
def test_a_single_real_picture_from_home_is_answered_as_before(model: Model, one: int) -> None:
    file = frames.expand([str(_shared("data", "cells", "raabin", "test", "monocyte"))])[one]
    outcome, _ = run([file], model)
    assert outcome.unlike == Unlike()


@pytest.mark.parametrize("fields", ["bccd", "chula_rpi", "draaslan"])
def test_real_fields_of_another_microscope_are_unlike_home(model: Model, fields: str) -> None:
    chosen = frames.expand([str(_shared("data", "fields", fields))])[:60]
    outcome, collected = run(chosen, model)
    assert outcome.unlike.value > 0 and outcome.unlike.why
    assert all(each.run == outcome.unlike for each in collected.answers)


def test_red_cells_of_another_microscope_are_hardly_named(model: Model) -> None:
    _, collected = run([_shared("cases", "red_cells")], model)
    assert (
        sum(label in ("lymphocyte", "monocyte") for label in collected.labels()) <= 6
    )  # nine are white cells; 22 by the usual rules


def test_each_json_line_says_how_unlike_its_run_is(model: Model, tmp_path: Path) -> None:
    target = tmp_path / "answers.jsonl"
    paths = frames.expand([str(_shared("cases", "tight", "monocyte"))])
    with (
        sinks.JsonLines(str(target), model.sha256) as lines,
        sinks.Csv(str(tmp_path / "a.csv"), model.labels, "") as csv,
    ):
        outcome = files.run(Job(paths, model, model.rules(0.01), Search()), [lines, csv])
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert rows and all(row["run"]["unlike"] == outcome.unlike.value > 0.5 for row in rows)
    assert all(row["run"]["why"] == outcome.unlike.why and set(row["run"]["moved"]) == set(model.kinds) for row in rows)
    usual, plain = model.rules(0.01), model.rules(None)
    assert unlike.sentence(outcome.unlike, usual).endswith(f"left to review: {outcome.unlike.why}.")
    assert "more answers are wrong" in unlike.sentence(outcome.unlike, plain)
    assert unlike.sentence(Unlike(0.2, "x"), usual) == unlike.sentence(Unlike(), usual) == ""


def draw_fields(folder: Path) -> None:
    for i in range(12):
        Image.fromarray(drawing.field(np.random.default_rng(i), 3)[0]).save(folder / f"{i:02}.png")


def test_the_run_is_judged_before_its_first_answer_and_memory_is_bounded(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_fields(tmp_path)
    held: list[int] = []
    aside = files.set_aside

    def counting(*arguments: Any) -> Predicted:
        held.append(1)
        return aside(*arguments)

    monkeypatch.setattr(files, "set_aside", counting)
    monkeypatch.setattr(files, "JUDGED", 5)
    outcome, collected = run([tmp_path], model)
    assert len(held) == 5 and outcome.pictures == 12
    assert all(each.run == outcome.unlike for each in collected.answers)


def test_a_run_that_is_stopped_while_it_waits_answers_what_it_has_read(model: Model, tmp_path: Path) -> None:
    draw_fields(tmp_path)
    read: list[str] = []
    collected = Collected()
    job = Job(frames.expand([str(tmp_path)]), model, model.rules(0.01), Search(pooled=False))
    outcome = files.run(job, [collected], lambda what, done, total: read.append(what), lambda: len(read) >= 6)
    assert outcome.pictures == len(collected.answers) == 5


def test_the_common_offset_is_taken_back(model: Model) -> None:
    """All cells are pushed towards a kind of *other*. Afterwards more of them are told from it again.

    Nothing is moved between the names: where one is rare, the offset can't be measured well enough for that.
    """
    kinds = ("lymphocyte", "monocyte", "basophil", "patch")
    known = distance(kinds=4, size=16)
    means = known.means[[sorted(kinds).index(kind) for kind in kinds]]
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    points = means[truth] + rng.normal(0, 4, (400, 16)) + 0.12 * (means[2] - means[:2].mean(axis=0))
    logits = -0.05 * ((points[:, None] - means) ** 2).sum(axis=2)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    cells = [Prediction(*each) for each in zip(shares.astype(np.float32), points.astype(np.float32), strict=True)]
    found = unlike.compare(unlike.measure(cells, [], known), Home({"features": Usual(0.1, 0.01)}, 0.1), kinds)
    assert found.value >= 1 and found.moves["basophil"] < 0 == found.moves["monocyte"] == found.moves["lymphocyte"]
    after = np.array([unlike.moved(each.kinds, found) for each in cells])
    assert np.allclose(after.sum(axis=1), 1)
    wrong = [((share[:, 2] > share[:, :2].max(axis=1)) != (truth == 2))[truth < 3].sum() for share in (shares, after)]
    assert wrong[1] < wrong[0]


def test_a_place_without_a_cell_never_gets_a_name_more_easily() -> None:
    for pulls in ((0.0, 0.0, 30.0), (0.0, 0.0, -30.0), (9.0, -9.0, 50.0)):
        found = unlike.compare(Measures(100, {"features": 0.9}, pulls), HOME, KINDS)
        assert found.moves["patch"] >= 0 and max(map(abs, found.moves.values())) <= unlike.FARTHEST / 2
    assert unlike.compare(Measures(100, {"features": 0.9}, (1.0, 2.0)), HOME, KINDS).moves == {}  # of other kinds


def test_tight_crops_of_another_microscope_get_no_wrong_name(model: Model) -> None:
    """Red cells are faint rings there, or absent; the locator's network says 44 pixels where 30 is right."""
    chosen = frames.expand([str(path) for path in sorted(_shared("cases", "tight").iterdir())])
    collected = Collected()
    files.run(Job(chosen, model, model.rules(0.01), Search(single=True)), [collected])
    named = [(Path(each.picture.source).parent.name, each.cells[0][1].label) for each in collected.answers]
    given = [pair for pair in named if pair[1] in model.labels[:2]]
    assert len(given) >= 5 and all(truth == label for truth, label in given)


def test_an_older_model_file_answers_one_picture_after_the_other(tmp_path: Path) -> None:
    draw_fields(tmp_path)
    older = Model()
    older.home = None
    read: list[int] = []
    collected = Collected()
    job = Job(frames.expand([str(tmp_path)]), older, older.rules(0.01), Search(pooled=False))
    first: list[int] = []

    class First(sinks.Sink):
        def add(self, result: Answer | Unreadable) -> None:
            first.append(len(read))

    outcome = files.run(job, [collected, First()], lambda what, done, total: read.append(done))
    assert first[0] == 1 and outcome.unlike == Unlike()
    assert all(each.run is None for each in collected.answers)


def test_a_live_run_is_judged_from_its_cells_so_far(model: Model) -> None:
    session = Session(model, Locator(), SessionSettings(rules=model.rules(0.01), unrelated_frames=True))
    answers = []
    for path in frames.expand([str(_shared("data", "fields", "chula_rpi"))])[:40]:
        answers += session.step(frames.load(path))
    answers += session.finish()
    values = [each.run.value for each in answers if each.run]
    assert len(values) == len(answers) > 20 and values[0] == 0
    assert values[-1] >= unlike.SAID and session.status.unlike.why
