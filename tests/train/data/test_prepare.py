"""`train data`: published layouts -> the project's own, in splits that don't leak."""

import csv
import json
import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, fill, invoke
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train.data import dataset, near_duplicates, prepare

LOOK = drawing.Look(red_cell=20)


def draw(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawing.picture(kind, np.random.default_rng(seed), 96, LOOK)).save(path)


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """Raabin's layout as Kaggle has it: every film's cells in Train and in Test-A, a second microscope in Test-B."""
    folder = tmp_path / "archive" / "wbc"
    seed = 0
    for film in range(1, 10):
        for number in range(6):
            for name, kind in (("Lymphocyte", "lymphocyte"), ("Monocyte", "monocyte"), ("Basophil", "neutrophil")):
                part = "Test-A" if number == 0 else "Train"
                draw(folder / part / name / f"95-8-{film}-1_{number}_1.png", kind, seed)
                seed += 1
    for number in range(5):
        draw(folder / "Test-B" / "Monocyte" / f"{number}.png", "monocyte", 10_000 + number)
    return folder.parent


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "cells.csv").open()))


def test_kaggle_s_layout_is_split_anew_by_film(kaggle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = invoke("train", "data", kaggle, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "split anew" in done.stderr
    rows = table(out)
    assert len(rows) == 9 * 6 * 2 + 5  # basophils are left out
    films = defaultdict(set)
    for row in rows:
        films[row["film"]].add(row["split"])
        assert (out / row["path"]).is_file()
    assert films.pop("") == {"test"} and all(len(splits) == 1 for splits in films.values())
    assert {row["source"] for row in rows if not row["film"]} == {"wbc-b"}
    report = json.loads((out / "data.json").read_text())
    assert report["crossed"] == 9 * 2 and report["resplit"]
    assert len(dataset.read(out)) == len(rows)  # training reads it


def test_the_projects_own_layout_keeps_its_splits(drawn: Path, tmp_path: Path) -> None:
    report = prepare.prepare(str(drawn), tmp_path / "out")
    assert not report.resplit and not report.warnings
    assert report.counts[drawn.name]["train"] == {"lymphocyte": 24, "monocyte": 24}
    again = prepare.prepare(str(tmp_path / "out"), tmp_path / "again")
    assert again.counts == report.counts


def test_look_alikes_stay_together(tmp_path: Path) -> None:
    """A picture saved again as a small JPEG, in another split, still shows the same cell."""
    folder = tmp_path / "in"
    for i in range(20):
        for kind in drawing.KINDS:
            file = folder / "train" / kind / f"{i}.png"
            draw(file, kind, 100 * drawing.KINDS.index(kind) + i)
            if i < 6:
                copy = folder / ("val" if i < 3 else "test") / kind / f"other-{i}.jpg"
                copy.parent.mkdir(parents=True, exist_ok=True)
                Image.open(file).resize((80, 80)).save(copy, quality=60)
    report = prepare.prepare(str(folder), tmp_path / "out")
    assert report.alike == 12 and report.crossed == 12 and report.resplit
    where = {Path(row["path"]).stem + row["label"]: row["split"] for row in table(tmp_path / "out")}
    for i in range(6):
        for kind in drawing.KINDS:
            assert where[f"{i}{kind}"] == where[f"other-{i}{kind}"]


def test_what_cannot_be_learned_from_is_named_and_left_out(drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(drawn, folder)
    (folder / "train" / "monocyte" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    shutil.copy(folder / "train" / "monocyte" / "3.png", folder / "train" / "lymphocyte" / "monocyte-3.png")
    done = invoke("train", "data", folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "broken.jpg" in done.stderr and "two labels" in done.stderr and "monocyte-3.png" in done.stderr
    names = [row["path"] for row in table(tmp_path / "out")]
    assert not any("broken" in name or ("monocyte/3.png" in name and "train" in name) for name in names)


def test_refusals(drawn: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for i in range(9):
        draw(few / "monocyte" / f"{i}.png", "monocyte", i)
        draw(few / "lymphocyte" / f"{i}.png", "lymphocyte", i)
    assert_refused(invoke("train", "data", few, "--out", tmp_path / "a"), "Too few", "monocyte (9)")
    assert_refused(invoke("train", "data", tmp_path / "nothing", "--out", tmp_path / "a"), "not a folder")
    assert_refused(invoke("train", "data", drawn, "--out", drawn), "isn't empty")
    one_film = tmp_path / "film"
    for i in range(12):
        for kind in drawing.KINDS:
            draw(one_film / "Train" / kind / f"95-1-1-1_{i}_1.png", kind, i)
    assert_refused(invoke("train", "data", one_film, "--out", tmp_path / "a"), "too few")
    assert not (tmp_path / "a").exists()


def test_pairs_and_groups() -> None:
    prints = np.zeros((5, 256), bool)
    prints[1, :3], prints[2, :40], prints[3, 100:200], prints[4, 100:203] = True, True, True, True
    assert near_duplicates.pairs(prints, 10) == [(0, 1), (3, 4)]
    assert near_duplicates.groups(5, [(3, 4), (1, 2), (2, 4)]) == [0, 1, 1, 1, 1]


def test_real_second_photographs(data: Path) -> None:
    """Most of the pairs that are known to show one cell are found, and no others."""
    rows = [r for r in csv.DictReader((data / "cells.csv").open()) if r["source"] == "raabin"]
    by_cell = defaultdict(list)
    for row in rows:
        by_cell[row["cell"]].append(row)
    known = [row for each in by_cell.values() if len(each) > 1 for row in each]
    chosen = known + [row for row in rows[::20] if row not in known]
    prints = np.array(
        [near_duplicates.fingerprint(np.asarray(Image.open(data / row["path"]).convert("RGB"))) for row in chosen]
    )
    found = near_duplicates.pairs(prints)
    assert all(chosen[i]["cell"] == chosen[j]["cell"] for i, j in found)
    assert len(found) > 0.6 * sum(len(each) * (len(each) - 1) // 2 for each in by_cell.values())


def counts(out: Path) -> Counter[tuple[str, str]]:
    return Counter((row["split"], row["label"]) for row in table(out))


def test_splits_under_other_names_are_kept_and_everything_is_told(tmp_path: Path) -> None:
    """Once, of Training, Validation and Testing only one was used, with a report of success."""
    for number, (split, count) in enumerate({"Training": 12, "Validation": 3, "Testing": 5}.items()):
        fill(tmp_path / "in" / split, {"LY": count, "Monocytes": count, "smudge": count}, number)
    (tmp_path / "in" / "Training" / "LY" / "Thumbs.db").touch()
    (tmp_path / "in" / "readme.txt").touch()
    done = invoke("train", "data", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 0 and not done.stderr, done.stderr
    expected = {"train": 12, "val": 3, "test": 5}
    assert counts(tmp_path / "out") == {(s, name): n for s, n in expected.items() for name in dataset.LABELS}
    for line in (
        "source  split  lymphocyte  monocyte",
        "in      train          12        12",
        "in       test           5         5",
        "Taken as lymphocyte: LY",
        "Left out: 20 smudge (--classes takes others)",
        "Left out: 1 hidden or system file(s)",
        "Left out: 1 file(s) of the kind .txt",
    ):
        assert line in done.stdout, done.stdout


def test_a_missing_val_split_is_taken_from_train_and_the_test_split_stays(tmp_path: Path) -> None:
    fill(tmp_path / "in" / "Train", {"lymphocyte": 40, "monocyte": 20}, 1)
    fill(tmp_path / "in" / "Test", {"lymphocyte": 8, "monocyte": 5}, 2)
    done = invoke("train", "data", tmp_path / "in", "--out", tmp_path / "out")
    assert "Taken from train, as there was none: val.\nNote: Kept as it was: test." in done.stderr
    found = counts(tmp_path / "out")
    assert found["test", "lymphocyte"] == 8 and found["test", "monocyte"] == 5
    assert found["val", "lymphocyte"] >= 4 and found["val", "monocyte"] >= 2
    tests = {p.read_bytes() for p in (tmp_path / "in" / "Test").rglob("*.png")}
    assert {
        (tmp_path / "out" / row["path"]).read_bytes() for row in table(tmp_path / "out") if row["split"] == "test"
    } == tests


def test_patients_are_in_one_split_and_leaking_splits_are_named(tmp_path: Path) -> None:
    for patient in range(8):
        fill(tmp_path / "in", {f"{name}/patient {patient}": 3 for name in dataset.LABELS}, patient)
    prepare.prepare(str(tmp_path / "in"), tmp_path / "out")
    splits = defaultdict(set)
    for row in table(tmp_path / "out"):
        splits[row["film"]].add(row["split"])
    assert len(splits) == 8 and all(len(each) == 1 for each in splits.values())
    shutil.copytree(tmp_path / "in", tmp_path / "leaks" / "test")
    (tmp_path / "in").rename(tmp_path / "leaks" / "train")
    report = prepare.prepare(str(tmp_path / "leaks"), tmp_path / "anew")
    assert report.resplit and "the given splits (train, test) were dropped" in " ".join(report.warnings)


def test_a_table_of_windows(tmp_path: Path) -> None:
    fill(tmp_path, {"p/LY": 16, "p/MO": 16})
    names = ["training"] * 10 + ["Validation"] * 3 + ["Test"] * 3
    rows = [f"p\\{name}\\{i}.png;{name};{split};Müller {i}" for name in ("LY", "MO") for i, split in enumerate(names)]
    (tmp_path / "cells.csv").write_bytes("\r\n".join(["Path;Label;Split;Patient", *rows]).encode("cp1252"))
    report = prepare.prepare(str(tmp_path), tmp_path / "out")
    assert not report.warnings and not report.unreadable and not report.left_out
    assert counts(tmp_path / "out")["val", "monocyte"] == 3 and table(tmp_path / "out")[0]["film"].startswith("Müller")


def test_classes_that_may_be_anything_are_asked_for(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"0": 20, "1": 20})
    arguments = ("train", "data", tmp_path / "in", "--out", tmp_path / "out")
    assert_refused(invoke(*arguments), "its classes: 0, 1", "--label NAME=lymphocyte")
    done = invoke(*arguments, "--label", "0=lymphocyte", "--label", "1=mono")
    assert done.returncode == 0 and "Taken as monocyte: 1" in done.stdout, done.stderr
    assert {row["label"] for row in table(tmp_path / "out")} == set(dataset.LABELS)


@pytest.mark.parametrize("bad", ["../../victim", "/abc", "a/b", ".."])
@pytest.mark.parametrize("column", ["source", "label"])
def test_nothing_is_written_outside(bad: str, column: str, tmp_path: Path) -> None:
    fill(tmp_path / "in", {"lymphocyte": 20, "monocyte": 20})
    rows = ["path,label,source,split"]
    for name in dataset.LABELS:
        values = {"label": name, "source": "here"} | ({column: bad} if name == "monocyte" else {})
        rows += [f"{name}/{i}.png,{values['label']},{values['source']},train" for i in range(20)]
    (tmp_path / "in" / "cells.csv").write_text("\n".join(rows))
    done = invoke("train", "data", tmp_path / "in", "--out", tmp_path / "deep" / "er" / "out", "--classes", "all")
    assert_refused(done, "can't be part of a path", repr(bad))
    assert {path.name for path in tmp_path.iterdir()} == {"in", "deep"} and not list((tmp_path / "deep/er").iterdir())


def test_files_that_only_look_like_pictures_and_odd_names(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"lymphocyte": 20, "monocyte": 20})
    place = tmp_path / "in" / "monocyte"
    (place / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n")
    (place / "b.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    odd = os.fsdecode(os.fsencode(place) + b"/caf\xe9 \n1.png")
    (place / "0.png").rename(odd)
    done = invoke("train", "data", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "git lfs pull" in done.stderr and "HEIC" in done.stderr
    assert "Left out: 2 pictures that can't be read" in done.stdout
    assert counts(tmp_path / "out").total() == 40 and all(
        (tmp_path / "out" / r["path"]).is_file() for r in table(tmp_path / "out")
    )
    with pytest.raises(UserError, match="names that aren't UTF-8"):
        dataset.read(tmp_path / "in")
    for file in list(place.iterdir()):
        file.write_text("version https://git-lfs.github.com/spec/v1\n")
    for file in (tmp_path / "in" / "lymphocyte").iterdir():
        file.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert_refused(invoke("train", "data", tmp_path / "in", "--out", tmp_path / "2"), "None of the 42", "git lfs pull")
    assert not list(tmp_path.glob("*2*"))
