"""Which pictures of a folder have which class, split and group, in all the layouts that people have."""

from collections import Counter
from pathlib import Path

import pytest

from edge.errors import UserError
from edge.site import layout


def made(folder: Path, *paths: str) -> Path:
    """Empty files; "{n}" in a path makes three."""
    for path in paths:
        for n in "012" if "{n}" in path else "0":
            file = folder / path.format(n=n)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return folder


def found(folder: Path) -> Counter[tuple[str, str, str]]:
    """How many pictures there are by split, class and group."""
    return Counter((each.split, each.name, each.group) for each in layout.find(folder).pictures)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "valid", "TEST_SIMPLE"),
        ("train_images", "dev", "Test-A"),
        ("trainset", "Val1", "testset"),
        ("a/b/Train", "a/b/Val", "a/b/Test"),
    ],
)
def test_splits_under_all_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    names = ("LYMPHOCYTE", "Monocytes", "smudge")
    made(tmp_path, *(f"{split}/{name}/{{n}}.jpg" for split in (train, val, test) for name in names))
    assert found(tmp_path) == {(split, name, ""): 3 for split in ("train", "val", "test") for name in names}
    read = layout.find(tmp_path)
    assert read.sure and not read.notes and read.name == ("b" if "/" in train else tmp_path.name)


def test_what_lies_beside_is_no_class_and_is_counted(tmp_path: Path) -> None:
    made(
        tmp_path, "LY/{n}.jpg", "MO/{n}.jpg", "__MACOSX/LY/._{n}.jpg", "LY/.DS_Store", "LY/Thumbs.db", "notes.txt",
        "figure.png", ".git/a",
    )  # fmt: skip
    assert found(tmp_path) == {("", "LY", ""): 3, ("", "MO", ""): 3}
    counts = layout.left_out(tmp_path, (each.path for each in layout.find(tmp_path).pictures))
    assert (
        sorted(counts.values()) == [1, 1, 6]
        and counts["file(s) of the kind .txt"] == 1
        and counts["other picture(s)"] == 1
    )


def test_patients_are_groups_within_classes_and_above_them(tmp_path: Path) -> None:
    expected = {("", name, patient): 3 for name in ("lymphocyte", "monocyte") for patient in ("p1", "p2")}
    made(tmp_path / "a", *(f"{name}/{patient}/{{n}}.jpg" for _, name, patient in expected))
    made(tmp_path / "b", *(f"{patient}/{name}/{{n}}.jpg" for _, name, patient in expected))
    assert found(tmp_path / "a") == found(tmp_path / "b") == expected
    made(tmp_path / "c", "lymphocyte/p1/{n}.jpg", "monocyte/p1/{n}.jpg", "monocyte/p2/{n}.jpg")
    assert found(tmp_path / "c")["", "lymphocyte", "p1"] == 3
    made(tmp_path / "d", "lymphocyte/images/{n}.jpg", "monocyte/images/{n}.jpg", "blast/{n}.jpg")
    assert found(tmp_path / "d") == {("", name, ""): 3 for name in ("lymphocyte", "monocyte", "blast")}


def test_splits_within_classes(tmp_path: Path) -> None:
    made(tmp_path, *(f"{name}/{split}/{{n}}.jpg" for name in ("lymph", "mono") for split in ("train", "Testing")))
    assert found(tmp_path) == {(split, name, ""): 3 for name in ("lymph", "mono") for split in ("train", "test")}


def test_folds_become_splits(tmp_path: Path) -> None:
    made(tmp_path / "a", *(f"fold_{n}/{name}/{{n}}.jpg" for n in (2, 10, 1, 3) for name in ("lymphocyte", "monocyte")))
    read = layout.find(tmp_path / "a")
    splits = {Path(each.path).parts[-3]: each.split for each in read.pictures}
    assert splits == {"fold_1": "train", "fold_2": "train", "fold_3": "val", "fold_10": "test"}
    assert "fold_10 is test" in read.notes[0]
    made(tmp_path / "b", *(f"fold{n}/{split}/monocyte/{{n}}.jpg" for n in (1, 2) for split in ("train", "test")))
    read = layout.find(tmp_path / "b")
    assert {Path(each.path).parts[-4] for each in read.pictures} == {"fold1"} and "fold2" in read.notes[0]


def test_data_sets_side_by_side_are_sources(tmp_path: Path) -> None:
    made(tmp_path, *(f"{site}/{split}/monocyte/{{n}}.jpg" for site in "ab" for split in ("train", "test")))
    pictures = layout.find(tmp_path).pictures
    assert Counter((e.source, e.split, e.group) for e in pictures) == {
        (site, split, ""): 3 for site in "ab" for split in ("train", "test")
    }


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    made(tmp_path, "train/monocyte/{n}.jpg", "test/{n}.jpg", "unlabelled/{n}.jpg")
    assert found(tmp_path) == {("train", "monocyte", ""): 3}
    notes = " ".join(layout.find(tmp_path).notes)
    assert "its pictures lie in no folders of classes: test" in notes and "unlabelled" in notes


def test_folders_that_may_be_anything_are_not_sure(tmp_path: Path) -> None:
    made(tmp_path, "0/{n}.jpg", "MO/{n}.jpg")
    read = layout.find(tmp_path)
    assert not read.sure and {each.name for each in read.pictures} == {"0", "MO"}


def test_refusals(tmp_path: Path) -> None:
    made(tmp_path, "train/monocyte/{n}.jpg", "lymphocyte/{n}.jpg")
    with pytest.raises(UserError, match="holds train beside folders of classes"):
        layout.find(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        layout.find(tmp_path / "none")
    made(tmp_path / "top", "data/cells.csv", "data/lymphocyte/{n}.jpg")
    with pytest.raises(UserError, match="data does; name that folder"):
        layout.find(tmp_path / "top")
