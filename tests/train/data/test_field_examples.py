"""Examples from marked camera fields: which there are, and that their crops are the runner's."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, fields_table, invoke
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train import experiment, run, views
from train.augment import recipe
from train.data import crop_cache, dataset, field_cells, field_examples, fields
from train.data.crop_cache import Wanted
from train.settings import Settings

LABELS = dataset.labels("kinds")


@pytest.fixture
def folder(two_sources: Path) -> Path:
    """Two sources of single cells, and 18 drawn fields of a third one, on six films."""
    (two_sources / "fields" / "three").mkdir(parents=True)
    rows, red_cells = [], ["path,x,y,type"]
    for i in range(18):
        look = drawing.Look(red_cell=24)
        image, truth = drawing.field(np.random.default_rng(i), 3, 0, (240, 320), look)
        path = f"fields/three/{i}.png"
        Image.fromarray(image).save(two_sources / path)
        red_cells += [f"{path},{x},{y},3" for x, y in ((160, 60), (160, 120), (160, 180))]
        for n, cell in enumerate(truth):
            x, y, side = (round(v) for v in (cell.x - cell.radius, cell.y - cell.radius, 2 * cell.radius))
            rows.append(f"{path},{cell.kind},{x},{y},{side},{side},film{i % 6},{i}-{n}")
        rows += [] if truth else [f"{path},none,,,,,film{i % 6},"]
    (two_sources / "red_cells.csv").write_text("\n".join(red_cells) + "\n")
    return fields_table(two_sources, rows)


def test_places_and_cells_of_the_learning_half(folder: Path) -> None:
    marked = {field.path: field for field in fields.halves(fields.read(folder))[0]}
    examples = field_examples.read(folder, "all")
    assert {e.path for e in examples} == set(marked) and {e.source for e in examples} == {"three"}
    assert {e.split for e in examples} == {"train", "val"}
    splits = {(marked[e.path].film, e.split) for e in examples}
    assert len(splits) == len({film for film, _ in splits}), "no film is in two splits"
    patches = [e for e in examples if e.kind == dataset.PATCH]
    assert {e.label for e in patches} == {"other"} and max(Counter(e.path for e in patches).values()) > 3
    for e in patches:
        assert e.place
        for box in marked[e.path].boxes:
            x, y = e.place.x - box.x, e.place.y - box.y
            assert not (-10 < x < box.width + 10 and -10 < y < box.height + 10), "no white cell is near"
    assert any(e.place and (e.place.x, e.place.y) == (160, 120) for e in patches), "red_cells.csv names red cells"
    white = Counter(box.label for field in marked.values() for box in field.boxes)
    assert Counter(e.kind for e in examples if e.kind != dataset.PATCH) == white
    other = field_examples.read(folder, "other")
    assert other == [e for e in examples if e.label == "other"] and len(other) < len(examples)


def test_their_crops_are_those_of_the_runner(folder: Path) -> None:
    white = [e for e in field_examples.read(folder, "all") if e.kind != dataset.PATCH]
    found = field_cells.read(folder, 48, "normalised", LABELS)
    of_cells = dict(zip(found.cells, found.crops, strict=True))
    assert len(of_cells) > 20
    made = crop_cache.make(folder, white, Wanted(48, ("normalised", "cell", "whole-image"), True))
    same = [np.array_equal(crop, of_cells[e.cell]) for e, crop in zip(white, made.crops["normalised"], strict=True)
            if e.cell in of_cells]  # fmt: skip
    assert same and all(same)


@pytest.mark.parametrize("ruler", ["run", "picture", "nucleus"])
@pytest.mark.parametrize("policy", ["normalised", "cell", "whole-image"])
def test_crops_and_views_of_places(folder: Path, policy: str, ruler: str) -> None:
    patches = [e for e in field_examples.read(folder, "other") if e.kind == dataset.PATCH][:12]
    crops = crop_cache.crops(folder, patches, 48, policy, ruler=ruler)
    assert len({crop.tobytes() for crop in crops}) == len(crops), "each place gives a crop of its own"
    settings = Settings(size=48, policy=policy, ruler=ruler)
    [view] = views.views(folder, patches, views.Recipe(settings, tuple(recipe("full")), 0.5, 1))
    assert view.shape == crops.shape and not np.array_equal(view, crops)


def test_small_sources_of_fields_weigh_less() -> None:
    place = dataset.Place(1, 1, 1, 1)
    cells = [
        dataset.Example("", label, "train", source, kind=label, place=place if source == "f" else None)
        for source, counts in {"a": (300, 100), "f": (40, 10)}.items()
        for label, count in zip(dataset.LABELS, counts, strict=True)
        for _ in range(count)
    ]
    patches = [dataset.Example("", "other", "train", "f", kind=dataset.PATCH, place=place)] * 90
    weights = dataset.weights([*cells, *patches], dataset.kinds(cells, "kinds"))
    sums = [weights[:300].sum(), weights[300:400].sum(), weights[400:440].sum(), weights[440:450].sum()]
    assert weights.mean() == pytest.approx(1) and sums[0] == pytest.approx(sums[1])
    assert [each / sums[0] for each in sums[2:]] == pytest.approx([0.1, 0.1]), "by the rarer of the two names"
    assert weights[450:].sum() / sums[0] == pytest.approx(0.15)


def test_a_run_learns_from_fields_and_says_so(folder: Path, tmp_path: Path) -> None:
    options = ("--data", folder, "--other", "kinds", "--size", 32, "--epochs", 1, "--fields", "other")
    done = invoke(
        "train", "baseline", *options, "--out", tmp_path / "run", "--source", "one", "--source", "three",
        "--without", "neutrophil",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    settings = report["settings"]
    assert (settings["fields"], settings["source"], settings["without"]) == ("other", ["one", "three"], ["neutrophil"])
    assert set(report["data"]["counts"]["three"]) == {"train", "val"} and "neutrophil" not in report["kinds"]
    assert set(report["data"]["counts"]["two"]) == {"test"}
    measured = {field.path for field in fields.halves(fields.read(folder))[1]}
    named = sum(box.label in dataset.LABELS for f in fields.read(folder) for box in f.boxes if f.path in measured)
    assert report["metrics"]["fields"]["all"]["count"] <= named, "only cells of the other half are measured"
    trained, _ = run.read(tmp_path / "run")
    assert any(e.place for e in run.examples(tmp_path / "run", trained, folder))
    refused = invoke("train", "baseline", *options, "--out", tmp_path / "2", "--source", "one")
    assert_refused(refused, "--fields learns nothing: no --source names fields; three do")
    assert_refused(
        invoke("train", "baseline", *options, "--other", "none", "--out", tmp_path / "3"), "--fields needs --other"
    )


def test_a_folder_without_fields_and_a_damaged_table(folder: Path, two_sources: Path) -> None:
    for x in ("left", "inf", ""):
        (folder / "red_cells.csv").write_text(f"path,x,y\nfields/three/0.png,{x},5\n")
        with pytest.raises(UserError, match=r"red_cells\.csv has a row without two numbers"):
            field_examples.read(folder, "other")
    (folder / "fields.csv").unlink()
    settings = Settings(other="kinds", fields="other")
    with pytest.raises(UserError, match="needs marked camera fields"):
        experiment.training_data(experiment.Job(two_sources, two_sources / "run", settings))
