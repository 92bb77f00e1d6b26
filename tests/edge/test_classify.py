"""The path of a picture: it is decoded and located once, whichever outputs are asked for, with the same result."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from edge import classify, frames
from edge.classify import Answer, Found, Search
from edge.crop import crop
from edge.files import Job, run
from edge.frames import Frame, Unreadable
from edge.kept import PixelStore
from edge.locate import Locator
from edge.model import Model
from edge.output import sinks
from edge.output.tally import Tally
from edge.reading import pages
from edge.simulator import drawing
from edge.site import unlabelled_threshold


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn fields, an empty one and one that can't be read."""
    place = tmp_path_factory.mktemp("fields")
    for i in range(12):
        drawn, _ = drawing.field(np.random.default_rng(i), 4, kinds=drawing.KINDS)
        Image.fromarray(drawn).save(place / f"{i:02}.png")
    Image.new("RGB", (640, 480), "white").save(place / "12.png")
    (place / "13.png").write_bytes(b"no picture")
    return place


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture is decoded ("decode NAME") and located ("locate NAME")."""
    count: Counter[str] = Counter()
    decode, locate = pages.decode, Locator.locate

    def counting_decode(picture: ImageFile.ImageFile, path: str | Path) -> np.ndarray:
        count[f"decode {Path(path).name}"] += 1
        return decode(picture, path)

    def counting_locate(self: Locator, frame: frames.Frame) -> object:
        count[f"locate {Path(frame.source).name}"] += 1
        return locate(self, frame)

    monkeypatch.setattr(pages, "decode", counting_decode)
    monkeypatch.setattr(Locator, "locate", counting_locate)
    return count


SEARCHES = [
    Search(),
    Search(single=True),
    Search(pooled=False),
    Search(red_cell=40.0),
    Search(trace=True),
    Search(keep_whole=True),
]


@pytest.mark.parametrize("search", SEARCHES)
def test_each_picture_is_decoded_and_located_once(
    folder: Path, model: Model, counted: Counter[str], search: Search
) -> None:
    files = frames.expand([str(folder)])
    results = list(classify.classify(files, model, model.rules(0.01), search))
    assert [r.source if isinstance(r, Unreadable) else r.picture.source for r in results] == files
    assert set(counted.values()) == {1} and len(counted) == 2 * (len(files) - 1)  # the broken one is no picture


@pytest.mark.parametrize("options", [(), ("annotate",), ("explain",), ("annotate", "explain")])
@pytest.mark.parametrize("adapt", [False, True])
def test_each_picture_is_decoded_and_located_once_with_every_sink(
    folder: Path, model: Model, counted: Counter[str], tmp_path: Path, options: Sequence[str], adapt: bool
) -> None:
    files = frames.expand([str(folder)])
    search = Search(trace="explain" in options, keep_whole="annotate" in options)
    targets: list[sinks.Sink] = [Tally()]
    targets += [sinks.Annotated(str(tmp_path / "a"))] if "annotate" in options else []
    targets += [sinks.Explained(str(tmp_path / "e"), model)] if "explain" in options else []
    threshold = unlabelled_threshold.shift if adapt else None
    outcome = run(Job(files, model, model.rules(0.01), search, threshold), targets)
    assert outcome.pictures == len(files) and outcome.unreadable == 1
    assert set(counted.values()) == {1}
    for option in options:
        assert len(list((tmp_path / option[0]).iterdir())) == len(files) - 1


def test_a_kept_picture_gets_the_same_answer_as_a_whole_one(folder: Path, model: Model) -> None:
    """In a run, cells are cut out of the parts that were kept. Here they are also cut out of the whole pictures."""
    files = frames.expand([str(folder)])
    for policy in ("cell", "normalised"):
        for each in classify.find_cells(files, policy):
            if isinstance(each, Unreadable):
                continue
            whole = frames.load(each.picture.source)
            for cell in each.cells:
                for size in (40, 80):
                    ours, theirs = (crop(p, cell, size, policy) for p in (each.picture, whole))
                    assert np.array_equal(ours, theirs)
                assert classify.picture_doubt(each.picture, cell) == classify.picture_doubt(whole, cell)


def test_answers_that_wait_for_the_threshold_stay_the_same(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, rules = frames.expand([str(folder)]), model.rules(0.01)
    monkeypatch.setattr(model, "home", None)  # else the run would be judged, too
    direct = [r.cells for r in classify.classify(files, model, rules, shift=0.5) if isinstance(r, Answer)]
    collected: list[Answer] = []

    class Collect(sinks.Sink):
        def add(self, result: Answer | Unreadable) -> None:
            collected.extend([result] if isinstance(result, Answer) else [])

    outcome = run(Job(files, model, rules, Search(), lambda shares: 0.5), [Collect()])
    assert outcome.shift == 0.5 and outcome.cells > 20
    assert [each.cells for each in collected] == direct


def test_only_the_requested_pictures_of_a_run_are_answered(folder: Path, counted: Counter[str]) -> None:
    """Training makes crops from some pictures of a source, with the ruler of all its pictures."""
    run_of_all = frames.expand([str(folder)])[:12]
    some = run_of_all[3:5]
    found = [each for each in classify.find_cells(some, "cell", run=run_of_all) if isinstance(each, Found)]
    assert [each.picture.source for each in found] == some and set(counted.values()) == {1}
    together = [each for each in classify.find_cells(run_of_all, "cell") if isinstance(each, Found)]
    assert [each.cells for each in found] == [each.cells for each in together[3:5]]


def test_progress_counts_each_picture(folder: Path, model: Model) -> None:
    steps: list[tuple[int, int]] = []
    files = frames.expand([str(folder)])
    list(classify.predict_files(files, model, progress=lambda what, done, total: steps.append((done, total))))
    assert steps == [(i + 1, len(files)) for i in range(len(files))]


def test_real_fields_are_read_once(data: Path, model: Model, counted: Counter[str]) -> None:
    files = sorted(map(str, (data / "fields/chula_rpi").glob("*.jpg")))[:24]
    list(classify.classify(files, model, model.rules(0.01)))
    assert set(counted.values()) == {1} and len(counted) == 48


@pytest.mark.parametrize("adapt", [False, True])
def test_a_run_is_stopped_while_pictures_are_read_before_the_first_answer(
    folder: Path, model: Model, counted: Counter[str], adapt: bool
) -> None:
    files = frames.expand([str(folder)])
    tally = Tally()
    threshold = unlabelled_threshold.shift if adapt else None
    job = Job(files, model, model.rules(0.01), Search(), threshold)
    outcome = run(job, [tally], stopped=lambda: counted.total() >= 6)
    assert outcome.pictures == 0 and not tally.answers
    assert sum(name.startswith("decode") for name in counted) == 3 < len(files)


def test_the_pages_of_a_file_are_measured_together_and_answered_in_order(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten pages are a run, although they are one file; small and empty ones are left out, and the results say so."""
    drawn = [Image.fromarray(drawing.field(np.random.default_rng(i), 4)[0]) for i in range(10)]
    pages = [drawn[0].resize((160, 120)), *drawn, Image.new("RGB", drawn[0].size, "white")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    path = str(tmp_path / "a.tif")
    tally = Tally()
    with (
        sinks.JsonLines(str(tmp_path / "a.jsonl"), "") as lines,
        sinks.Csv(str(tmp_path / "a.csv"), model.labels, "") as table,
        sinks.Table(model.labels) as shown,
    ):
        outcome = run(Job([path], model, model.rules(0.01), Search()), [tally, lines, table, shown])
    assert not outcome.unreadable and not outcome.stopped and tally.left_out == 2
    assert "2 empty or small pages left out" in str(tally)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    numbers = [row["frame"] for row in rows]
    assert numbers == sorted(numbers) and set(numbers) == set(range(12))
    assert {row.get("reason", "") for row in rows if row["frame"] in (0, 11)} == {
        "left out: a small copy of frame 1", "left out: an empty page",
    }  # fmt: skip
    assert len({row["red_cell"] for row in rows if "red_cell" in row}) == 1
    assert [int(row["frame"]) for row in csv.DictReader((tmp_path / "a.csv").open())] == numbers
    lines_shown = capsys.readouterr().out.splitlines()
    assert any("a.tif frame 3 #0" in line for line in lines_shown)
    assert any(line.startswith("left out") and "frame 11 (an empty page)" in line for line in lines_shown)


def test_a_page_is_read_again_as_that_page(tmp_path: Path) -> None:
    drawn = [drawing.field(np.random.default_rng(i), 4)[0] for i in range(3)]
    first, *others = map(Image.fromarray, drawn)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    store = PixelStore(memory=0, most=0)
    kept = [store.keep(frame, []) for frame in frames.pages(str(tmp_path / "a.tif")) if isinstance(frame, Frame)]
    for number in (2, 0, 1):
        assert np.array_equal(kept[number].window(5, 5, 50, 40), drawn[number][5:40, 5:50])
