"""`edge-site` and `edge-classify --site` as a user runs them, on real pictures."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command, invoke
from PIL import Image

from edge import model
from edge.simulator import drawing
from edge.site import profile
from edge.site.profile import LogitOffset, Profile, Ruler, Site


@pytest.fixture(scope="module")
def pictures(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real cells of the test split: 8 of each name and 6 neutrophils, one of which is there twice, in class folders."""
    folder = tmp_path_factory.mktemp("site")
    counts = {"lymphocyte": ("Lymphocytes", 8), "monocyte": ("monocyte", 8), "neutrophil": ("Neutrophil", 6)}
    with (data / "cells.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name, left = counts.get(row["label"], ("", 0))
            if left and row["split"] == "test" and row["source"] == "raabin":
                (folder / name).mkdir(exist_ok=True)
                shutil.copy(data / row["path"], folder / name / f"{left}.jpg")
                counts[row["label"]] = name, left - 1
    shutil.copy(folder / "Neutrophil" / "1.jpg", folder / "Neutrophil" / "again.jpg")
    return folder


def moved(folder: Path, shift: float) -> Path:
    """A profile of the shipped model that adds `shift` to the logit of the second name."""
    shipped = model.Model()
    cells = {"lymphocyte": 20, "monocyte": 20}
    profile.write(
        Site(Profile(shipped.sha256, cells, LogitOffset(shift), LogitOffset(), shipped.decision)),
        folder / "s.json",
    )
    return folder / "s.json"


def test_check(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "check.json"
    done = command("edge.site.cli", "check", pictures, "--unlabelled", pictures / "monocyte", "--json", out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["unlabelled"]["cells"] >= 8 and found["labelled"]["cells"] == 23
    counts = {label: each["count"] for label, each in found["judged"]["recall"].items()}
    assert counts == {"lymphocyte": 8, "monocyte": 8, "other": 6}  # the copy isn't counted as another cell
    assert found["judged"]["verdict"] in ("go", "adapt", "no-go")
    assert f"\n{found['judged']['verdict']}: " in done.stdout and "unlabelled" in done.stdout.splitlines()[0]


def test_adapt_writes_a_profile_only_if_it_is_better(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    done = command("edge.site.cli", "adapt", pictures, "--out", out)
    if done.returncode == 2:
        assert_refused(done, "No profile was written", "no better")
        assert not out.exists()
    else:
        learned = profile.read(out).profile
        assert done.returncode == 0 and learned and learned.left_out and learned.left_out.gain > 0
    assert "balanced accuracy" in done.stdout
    assert not list(tmp_path.glob("*.part*"))


def test_adapt_goes_on_from_a_profile(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new profile keeps the ruler and the history of the earlier one, and learns anew from the cells."""
    usual = model.Model.predict

    def leaning(self: model.Model, crop: np.ndarray) -> model.Prediction:
        """As on a microscope where everything looks like a monocyte."""
        found = usual(self, crop)
        kinds = found.kinds * np.array([1e-4, 1, *[1] * (len(found.kinds) - 2)], np.float32)
        return replace(found, kinds=kinds / kinds.sum())

    monkeypatch.setattr(model.Model, "predict", leaning)
    earlier = tmp_path / "ruler.json"
    profile.write(Site(ruler=Ruler(52.0, 49.9, 54.2, 256, 256, 12)), earlier)
    for number in (1, 2):
        out = tmp_path / f"{number}.json"
        done = invoke("edge.site", "adapt", pictures, "--site", earlier, "--out", out)
        assert done.returncode == 0, done.stderr
        before, found = profile.read(earlier), profile.read(out)
        assert found.ruler == before.ruler and found.history[:-1] == before.history and len(found.history) == number
        event = found.history[-1]
        assert found.profile and event.cells == found.profile.cells == {"lymphocyte": 8, "monocyte": 8, "other": 6}
        assert event.recall and event.recall["monocyte"].count == 8 and not event.held  # each cell was left out once
        earlier = out
    done = invoke("edge", pictures / "Lymphocytes", "--single", "--no-review", "--site", earlier, "--json", "-")
    answers = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and answers.count("lymphocyte") > 4, done.stderr


def test_three_cells_teach_nothing(pictures: Path, tmp_path: Path) -> None:
    """Neither do five pictures of three cells."""
    few = tmp_path / "few"
    shutil.copytree(pictures / "Lymphocytes", few / "lymphocyte")
    (few / "monocyte").mkdir()
    for i, picture in enumerate(sorted((pictures / "monocyte").iterdir())[:5]):
        shutil.copy(sorted((pictures / "monocyte").iterdir())[i % 3], few / "monocyte" / picture.name)
    done = command("edge.site.cli", "adapt", few, "--out", tmp_path / "site.json")
    assert_refused(done, "3 monocyte cells", "at least 5")
    assert not (tmp_path / "site.json").exists()


def test_a_check_is_noted_in_the_history(pictures: Path, tmp_path: Path) -> None:
    site = moved(tmp_path, 0.5)
    before = profile.read(site)
    assert "No history yet" in invoke("edge.site", "history", site).stdout
    for count in (1, 2):
        done = invoke("edge.site", "check", pictures, "--site", site, "--note")
        assert done.returncode == 0, done.stderr
        found = profile.read(site)
        assert len(found.history) == count and found.profile == before.profile
    event = found.history[0]
    assert event.what == "check" and event.cells == {"lymphocyte": 8, "monocyte": 8, "other": 6}
    shown = invoke("edge.site", "history", site).stdout
    assert shown.count("8 lymphocyte, 8 monocyte, 6 other") == 2 and event.day in shown
    assert_refused(invoke("edge.site", "check", pictures, "--note"), "--site")


def test_the_ruler_of_a_profile_measures_labelled_cells(pictures: Path, tmp_path: Path) -> None:
    """With one that doesn't fit, the figures are others, and a sentence says why."""
    fields = 200, 200  # of the same shape as the pictures, and as large as several cells
    site = tmp_path / "ruler.json"
    profile.write(Site(ruler=Ruler(5.0, 4.8, 5.2, *fields, 10)), site)
    done = invoke("edge.site", "check", pictures, "--site", site)
    assert done.returncode == 0 and "The profile's ruler doesn't fit these pictures" in done.stderr, done.stderr


def test_classify_uses_the_profile(pictures: Path, tmp_path: Path) -> None:
    names = []
    for shift in (-12.0, 12.0):
        done = command(
            "edge", pictures / "Lymphocytes", "--single", "--no-review", "--site", moved(tmp_path, shift), "--json", "-"
        )
        assert done.returncode == 0 and "learned from 20 lymphocytes, 20 monocytes" in done.stderr, done.stderr
        names.append([json.loads(line)["label"] for line in done.stdout.splitlines()])
    assert set(names[0]) <= {"lymphocyte", "other"} and set(names[1]) <= {"monocyte", "other"}
    assert "lymphocyte" in names[0] and "monocyte" in names[1]


def test_a_run_at_the_camera_uses_the_profile(tmp_path: Path) -> None:
    done = command(
        "edge", "--camera", "sim", "--cells", 3, "--no-review", "--site", moved(tmp_path, 12.0), "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["label"] for line in done.stdout.splitlines()} <= {"monocyte", "other"}


def test_refusals(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(drawing.picture("monocyte", np.random.default_rng(0))).save(picture)
    profile = moved(tmp_path, 1.0)
    other = model.SHIPPED.with_name("compact-float32.tflite")
    assert_refused(command("edge", picture, "--site", profile, "--model", other), "another model")
    assert_refused(command("edge", picture, "--site", profile, "--adapt"), "--site", "one of them")
    assert_refused(command("edge", picture, "--site", tmp_path / "absent.json"), "can't be read")
    profile.write_text(profile.read_text()[:100])
    assert_refused(command("edge", picture, "--site", profile), "damaged")
    assert_refused(command("edge.site.cli", "check", tmp_path / "absent"), "not a folder")
    assert_refused(command("edge.site.cli", "check", tmp_path), "no pictures in folders")


def test_what_cannot_be_used_is_said_and_counted(tmp_path: Path) -> None:
    """Damaged pictures, and one picture under two labels, whatever its name."""
    for name in ("lymphocyte", "monocyte"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(drawing.picture(name, np.random.default_rng(i))).save(tmp_path / name / f"{i}.png")
    plain = command("edge.site.cli", "check", tmp_path)
    assert plain.returncode == 0 and "could not be used" not in plain.stderr, plain.stderr
    shutil.copy(tmp_path / "monocyte" / "0.png", tmp_path / "lymphocyte" / "other.png")
    (tmp_path / "monocyte" / "cut.png").write_bytes((tmp_path / "monocyte" / "1.png").read_bytes()[:1000])
    done = command("edge.site.cli", "check", tmp_path, "--json", tmp_path / "a.json")
    assert done.returncode == 1 and "3 could not be used" in done.stderr, done.stderr
    assert done.stderr.count("shows a cell that is labelled lymphocyte") == 2 and "cut.png" in done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["labelled"]["cells"] == 11
    done = command("edge.site.cli", "adapt", tmp_path, "--out", tmp_path / "site.json")
    assert done.returncode == (1 if (tmp_path / "site.json").exists() else 2) and "cut.png" in done.stderr


def test_only_contradicting_labels_are_refused(tmp_path: Path) -> None:
    picture = drawing.picture("monocyte", np.random.default_rng(0))
    for name in ("lymphocyte", "monocyte"):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "a.png")
    assert_refused(command("edge.site.cli", "check", tmp_path), "All labels contradict", "lymphocyte", "monocyte")


@pytest.mark.parametrize(("subcommand", "option"), [("adapt", "--out"), ("check", "--json")])
def test_an_earlier_result_is_not_overwritten(subcommand: str, option: str, tmp_path: Path) -> None:
    earlier = tmp_path / "site.json"
    earlier.write_text("my profile")
    assert_refused(command("edge.site.cli", subcommand, tmp_path, option, earlier), "exists already")
    assert earlier.read_text() == "my profile"
