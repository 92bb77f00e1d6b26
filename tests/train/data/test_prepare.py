"""`train data`: published layouts -> the project's own, in splits that don't leak."""

import csv
import json
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke
from PIL import Image

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
