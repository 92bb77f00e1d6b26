"""Reading data sets: which picture is in which split, and what is refused."""

import shutil
from pathlib import Path

import pytest
from conftest import fill

from edge.errors import UserError
from train.data import dataset


def test_the_table_of_the_real_data(data: Path) -> None:
    from train.data import dataset

    examples = dataset.read(data)
    assert len(examples) == 6470 and {e.label for e in examples} == set(dataset.LABELS)
    for one in dataset.SPLITS:  # no physical cell in two splits
        for other in dataset.SPLITS:
            if one != other:
                cells = [{(e.source, e.cell) for e in dataset.only(examples, s)} for s in (one, other)]
                assert not cells[0] & cells[1]


def test_class_folders_with_splits(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("val", 2), ("test", 1)):
        fill(tmp_path / split, {"Lymphocyte": count, "monocytes": count, "neutrophil": count})
    examples = dataset.read(tmp_path)
    assert dataset.describe(examples)[tmp_path.name] == {
        "train": {"lymphocyte": 4, "monocyte": 4},
        "val": {"lymphocyte": 2, "monocyte": 2},
        "test": {"lymphocyte": 1, "monocyte": 1},
    }


def test_class_folders_without_splits_keep_copies_together(tmp_path: Path) -> None:
    fill(tmp_path, {"lymphocyte": 40, "monocyte": 40})
    before = {e.path: e.split for e in dataset.read(tmp_path)}
    shutil.copytree(tmp_path / "monocyte", tmp_path / "monocyte" / "again")
    after = {e.path: e.split for e in dataset.read(tmp_path)}
    assert before.items() <= after.items() and len(after) == 120
    for i in range(40):
        assert after[f"monocyte/{i}.png"] == after[f"monocyte/again/{i}.png"]
    assert set(before.values()) == set(dataset.SPLITS)


def test_weights_make_every_class_of_every_source_weigh_the_same() -> None:
    def example(source: str, label: str) -> dataset.Example:
        return dataset.Example("", label, "train", source)

    examples = [example("a", "lymphocyte")] * 6 + [example("a", "monocyte")] * 2 + [example("b", "monocyte")] * 4
    weights = dataset.weights(examples)
    assert weights.mean() == pytest.approx(1)
    assert [weights[:6].sum(), weights[6:8].sum(), weights[8:].sum()] == pytest.approx([4, 4, 4])


def test_refusals(tmp_path: Path) -> None:
    def refused(folder: Path, words: str) -> None:
        with pytest.raises(UserError, match=words):
            dataset.read(folder)

    refused(tmp_path / "none", "not a folder")
    refused(tmp_path, "no pictures in folders of classes, and no cells.csv")
    fill(tmp_path / "a", {"lymphocyte": 40})
    refused(tmp_path / "a", "holds no monocyte")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cells.csv").write_text("path,name\n")
    refused(tmp_path / "b", "lacks the column label")
    (tmp_path / "b" / "cells.csv").write_bytes(b"\xff\xfe\x00 no text")
    refused(tmp_path / "b", "cells.csv")


def test_other_cells_and_empty_places_are_one_class(tmp_path: Path) -> None:
    for split in dataset.SPLITS:
        fill(tmp_path / split, {"lymphocyte": 12, "monocyte": 4, "neutrophil": 4})
    examples = dataset.read(tmp_path, dataset.labels("one"))
    for split in dataset.SPLITS:
        others = [e for e in dataset.only(examples, split) if e.label == "other"]
        assert sorted(e.kind for e in others) == ["neutrophil"] * 4 + ["patch"] * 2, "every tenth picture lends a place"
    assert dataset.read(tmp_path) == [e for e in dataset.read(tmp_path, None) if e.label != "neutrophil"]


def test_sources_and_types_are_left_out_of_what_is_learned_but_not_of_the_test(tmp_path: Path) -> None:
    rows = ["path,label,source,split,original_label"]
    for split in dataset.SPLITS:
        for source in "abc":
            for label, original in (
                ("lymphocyte", ""),
                ("monocyte", ""),
                ("basophil", "Basophil"),
                ("other", "ig:IG"),
                ("other", "erythroblast:ERB"),
            ):
                rows += [
                    f"{split}-{source}-{label}-{original}-{i}.png,{label},{source},{split},{original}" for i in "01"
                ]
    (tmp_path / "cells.csv").write_text("\n".join(rows) + "\n")
    examples = dataset.read(tmp_path, dataset.labels("kinds"))

    def learned(source: str | tuple[str, ...] | None, *without: str) -> list[dataset.Example]:
        chosen = dataset.trained_on(examples, source, without or None)
        assert dataset.only(chosen, "test") == dataset.only(examples, "test")
        return [e for e in chosen if e.split != "test"]

    assert learned(None) == [e for e in examples if e.split != "test"]
    assert {e.source for e in learned("a")} == {"a"} and learned(("a",)) == learned("a")
    assert {e.source for e in learned(("c", "a"))} == {"a", "c"}
    assert {e.kind for e in learned("a", "basophil")} == {"lymphocyte", "monocyte", "other", "patch"}
    assert "basophil" not in dataset.kinds(learned(None, "basophil"), "kinds")
    found = {e.original for e in learned(None, "erythroblast")}
    assert "ig" in found and "erythroblast" not in found, "also the places of its pictures that show no cell"
    assert "other" not in {e.kind for e in learned(None, "other", "erythroblast")}
    refused: tuple[tuple[str | None, str, str], ...] = (
        ("d", "basophil", "no source 'd'"),
        (None, "monocyte", "type 'monocyte'.*ig"),
    )
    for name, without, words in refused:
        with pytest.raises(UserError, match=words):
            dataset.trained_on(examples, name, (without,))
    with pytest.raises(UserError, match="--other"):
        dataset.trained_on(dataset.read(tmp_path), None, ("basophil",))


def test_a_table_is_only_parsed_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    original = dataset.table_rows

    def counted(folder: Path) -> list[dict[str, str]]:
        parsed.append(folder)
        return original(folder)

    monkeypatch.setattr(dataset, "table_rows", counted)
    row = "{}.png,{},{}"
    rows = [row.format(f"{s}{c}", c, s) for s in dataset.SPLITS for c in dataset.LABELS]
    (tmp_path / "cells.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    assert dataset.read(tmp_path) == dataset.read(tmp_path) and len(dataset.read(tmp_path, labels=None)) == 6
    assert len(parsed) == 1
    (tmp_path / "cells.csv").write_text("\n".join(["path,label,split", *rows, "more.png,monocyte,val"]) + "\n")
    assert len(dataset.read(tmp_path)) == 7 and len(parsed) == 2


def test_splits_under_all_names_and_a_missing_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "archive" / "Training", {"LY": 40, "MO": 40, "smudge": 5}, 1)
    fill(tmp_path / "archive" / "Testing", {"LY": 3, "MO": 3}, 2)
    (tmp_path / "archive" / "Training" / "LY" / "notes.txt").touch()
    with caplog.at_level("INFO", logger="train"):
        examples = dataset.read(tmp_path)
        assert dataset.read(tmp_path) == examples
    assert len(dataset.only(examples, "test")) == 6 and all(e.path.startswith("archive/T") for e in examples)
    assert 5 <= len(dataset.only(examples, "val")) <= 20 and len(examples) == 86
    [told] = [record.getMessage() for record in caplog.records]  # once, not at each reading
    for words in (
        "archive   test           3         3       0",
        "5 smudge",
        "Taken from train, as there was none: val.",
        "Kept as it was: test.",
        "1 file(s) of the kind .txt",
    ):
        assert words in told, told


def test_patients_stay_in_one_split(tmp_path: Path) -> None:
    for patient in range(10):
        fill(tmp_path, {f"{name}/{patient}": 4 for name in dataset.LABELS}, patient)
    examples = dataset.read(tmp_path)
    splits = {Path(e.path).parts[-2]: e.split for e in examples}
    assert all(splits[Path(e.path).parts[-2]] == e.split for e in examples)
    assert sorted(splits.values()) == ["test"] * 2 + ["train"] * 6 + ["val"] * 2
    rows = ["path;label;patient", *(f"{e.path};{e.label};{Path(e.path).parts[-2]}" for e in examples)]
    (tmp_path / "cells.csv").write_text("\n".join(rows))
    assert {e.path: e.split for e in dataset.read(tmp_path)} == {e.path: e.split for e in examples}


def test_tables_with_splits_under_other_names(tmp_path: Path) -> None:
    def table(*splits: str) -> None:
        rows = [f"{i}{name}.png,{name},{split}" for i, split in enumerate(splits) for name in ("Lymphocytes", "MO")]
        (tmp_path / "cells.csv").write_text("\n".join(["Image,Class,Set", *rows]))

    table("Training", "validation", "TEST", "")
    assert [e.split for e in dataset.read(tmp_path)] == ["train"] * 2 + ["val"] * 2 + ["test"] * 2 + ["train"] * 2
    table("Training", "validation", "fold 3")
    with pytest.raises(UserError, match="the split 'fold 3'; the splits are train, val, test"):
        dataset.read(tmp_path)
    table("Training", "validation", "test")
    (tmp_path / "cells.csv").write_text((tmp_path / "cells.csv").read_text() + "\n,monocyte,test")
    with pytest.raises(UserError, match="a row without path"):
        dataset.read(tmp_path)
    table("Training", "validation", "test")
    (tmp_path / "cells.csv").write_text((tmp_path / "cells.csv").read_text() + "\n0MO.png,MO,test")
    with pytest.raises(UserError, match=r"two rows for 0MO.png that differ"):
        dataset.read(tmp_path)


def test_a_class_that_may_be_anything_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, {"lymphocyte": 40, "monocyte": 40, "typical lymphocyte": 40})
    with pytest.raises(UserError, match=r"'typical lymphocyte', which may be lymphocyte or not.*train data.*--label"):
        dataset.read(tmp_path)
    assert len(dataset.read(tmp_path, None)) == 120
    (tmp_path / "lymphocyte").rename(tmp_path / "0")
    shutil.rmtree(tmp_path / "typical lymphocyte")
    with pytest.raises(UserError, match="no lymphocyte; its classes: 0, monocyte"):
        dataset.read(tmp_path)
