"""`train evaluate`: a tiny run's page, JSON and card; and what is refused."""

import json
import os
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import command

from train import cli
from train.data import dataset
from train.evaluation import intervals


@pytest.fixture(scope="module")
def evaluated(tiny_run: Path, cache: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with a tiny run's report, written by the command itself, and what the command printed."""
    out = tmp_path_factory.mktemp("report") / "new"
    done = command("train", "evaluate", tiny_run, "--out", out, environment={"XDG_CACHE_HOME": cache})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return out, done.stdout


@pytest.fixture
def spoiled(tiny_run: Path, drawn: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The tiny run and its data, with test pictures that are labelled wrong and whose names could break a page."""
    folder = tmp_path / "data"
    shutil.copytree(drawn, folder)
    test = folder / "test"
    for i in range(3):
        shutil.copy(test / "lymphocyte" / f"{i}.png", test / "monocyte" / f"<script src=x>&'{i}\".png")
    return run_on(folder, tiny_run, tmp_path / "run"), folder


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the bootstrap quick, with few draws."""
    monkeypatch.setattr(intervals, "RESAMPLES", 20)


def run_on(folder: Path, run: Path, copy: Path, source: str | None = None) -> Path:
    """A copy of a run that claims to have been trained on the data in `folder`."""
    shutil.copytree(run, copy)
    report = json.loads((copy / "run.json").read_text())
    examples = dataset.trained_on(dataset.read(folder), source)
    report["data"] = {
        "folder": str(folder),
        "counts": dataset.describe(examples),
        "split_sha256": dataset.split_hash(examples),
    }
    report["settings"]["source"] = source
    (copy / "run.json").write_text(json.dumps(report))
    return copy


class Page(HTMLParser):
    """Fails on tags that don't match; collects what the page refers to and the words in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += text


@pytest.mark.slow
def test_the_page_needs_nothing_outside_it(evaluated: tuple[Path, str]) -> None:
    text = (evaluated[0] / "evaluation.html").read_text()
    page = Page(text)
    assert page.links and all(link.startswith("data:image/") for link in page.links)
    assert not {"script", "link", "iframe", "object"} & set(page.tags) and "url(" not in text and "@import" not in text
    drawings = [b64decode(link.split(",")[1]).decode() for link in page.links if "svg" in link[:20]]
    assert len(drawings) == 5 and all("<svg" in each for each in drawings)
    assert all(link.startswith("#") for each in drawings for link in re.findall(r'href="([^"]*)"', each))
    assert not any("<metadata" in each for each in drawings)  # matplotlib's own would name addresses and a date
    pictures = [b64decode(link.split(",")[1]) for link in page.links if "png" in link[:20]]
    assert pictures and all(each.startswith(b"\x89PNG") for each in pictures)
    assert "Not a medical device" in page.words and "train evaluate" in page.words and "seed" in page.words


@pytest.mark.slow
def test_its_figures_are_those_of_the_run(evaluated: tuple[Path, str], tiny_run: Path) -> None:
    document = json.loads((evaluated[0] / "evaluation.json").read_text())
    report = json.loads((tiny_run / "run.json").read_text())
    found, expected = document["figures"]["all"], report["metrics"]["test"]["all"]
    assert found["confusion"] == expected["confusion"] and found["count"] == 16 == found["cells"]
    recalls = [figures["classes"]["monocyte"]["recall"] for figures in (found, expected)]
    assert {key: recalls[0][key] for key in recalls[1]} == pytest.approx(recalls[1])
    assert found["auroc"] == pytest.approx(expected["auroc"])
    assert len(document["mistakes"]) == 16 - np.trace(expected["confusion"])
    assert document["data"]["split_sha256"] == report["data"]["split_sha256"]
    assert sum(b["count"] for b in found["calibration"]["bins"]) == 16
    card = (evaluated[0] / "evaluation.md").read_text()
    for words in ("## Data", "## Figures", "## Limits", "**Not a medical device**", found["bias"]["sentence"]):
        assert words in card
    for words in (found["bias"]["sentence"], "monocyte recall", *("evaluation." + x for x in ("html", "json", "md"))):
        assert words in evaluated[1]


@pytest.mark.usefixtures("few_draws")
def test_the_same_run_gives_the_same_page(spoiled: tuple[Path, Path], tmp_path: Path) -> None:
    from train import report

    pages = []
    for _ in range(2):
        report.report(spoiled[0], out=tmp_path / "out", split="val")
        pages.append([(tmp_path / "out" / f"evaluation.{kind}").read_bytes() for kind in ("html", "json", "md")])
    assert pages[0] == pages[1]
    assert all(b"these figures flatter" in page for page in pages[0][::2])  # on the page and the card


@pytest.mark.usefixtures("few_draws")
def test_mistakes_are_shown_under_escaped_names(spoiled: tuple[Path, Path], tmp_path: Path) -> None:
    from train import report

    run, _ = spoiled
    mistakes = report.report(run, out=tmp_path).mistakes
    expected = {f"test/monocyte/<script src=x>&'{i}\".png" for i in range(3)}
    assert expected <= {m.path for m in mistakes if m.answer == "lymphocyte"}
    sure = [m.probability for m in mistakes]
    assert sure == sorted(sure, reverse=True)
    page = Page((tmp_path / "evaluation.html").read_text())
    assert "script" not in page.tags
    assert all(page.words.count(path) == 2 for path in expected)  # on the sheet and with its heat


def test_prediction_reads_batch_by_batch(tiny_run: Path) -> None:
    from train import run

    class Disk(np.ndarray):
        taken: ClassVar[list[int]] = []

        def __getitem__(self, rows: slice) -> np.ndarray:  # type: ignore[override]
            part = super().__getitem__(rows)
            self.taken.append(len(part))
            return part.view(np.ndarray)

    _, model = run.read(tiny_run)
    crops = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    found = run.predict(model, crops.view(Disk), batch=4)
    assert Disk.taken == [4, 4, 2]
    assert np.allclose(found, model.predict(crops.astype(np.float32), verbose=0), atol=1e-6)


def refused(*arguments: object) -> str:
    """What `train evaluate` says when it refuses: one sentence, exit code 2."""
    done = CliRunner().invoke(cli.main, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit), (done.output, done.exception)
    return done.output


def test_what_is_not_a_run_is_refused(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none")
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    written = (run / "run.json").read_text()
    for damage in ("{", "[]", "{}", written.replace('"size": 32', '"size": 64'), written.replace("best_epoch", "best")):
        (run / "run.json").write_text(damage)
        assert "damaged" in refused(run)
    (run / "run.json").write_text(written.replace('"policy": "whole-image"', '"policy": "eyes"'))
    assert "'eyes' version" in refused(run)
    (run / "run.json").write_text(written.replace('"network": "baseline"', '"network": "locator"'))
    assert "locator" in refused(run)
    (run / "run.json").write_text(written.replace('"network": "baseline"', '"network": "../victim"'))
    assert "can't be part of a path" in refused(run)
    (run / "run.json").write_text(written)
    whole = (run / "model.keras").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole.replace(b"layers", b"mayors"), b""):
        (run / "model.keras").write_bytes(damaged)
        assert "damaged" in refused(run)
    (run / "model.keras").unlink()
    assert "not a finished training run" in refused(run)
    assert not list(run.glob("evaluation*"))


def test_other_data_is_refused(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    assert "not a folder" in refused(tiny_run, "--data", tmp_path / "none", "--out", tmp_path)
    other = tmp_path / "other"
    shutil.copytree(drawn, other)
    (other / "test" / "monocyte" / "0.png").rename(other / "val" / "monocyte" / "more.png")
    assert "its splits differ" in refused(tiny_run, "--data", other, "--out", tmp_path)


def test_an_empty_split_is_refused(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    """The data has a val split, but the one source that the run learned from has none."""
    rows = ["path,label,split,source"]
    for split in dataset.SPLITS:
        for label in dataset.LABELS:
            rows += [f"{split}/{label}/{i}.png,{label},{split},{'b' if split == 'val' else 'a'}" for i in range(4)]
    folder = tmp_path / "data"
    shutil.copytree(drawn, folder)
    (folder / "cells.csv").write_text("\n".join(rows) + "\n")
    run = run_on(folder, tiny_run, tmp_path / "run", source="a")
    assert "no pictures in its val split" in refused(run, "--split", "val")


def test_an_unwritable_folder_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "can't be written: " in refused(tiny_run, "--out", tmp_path / "file")
    assert "can't be written: " in refused(tiny_run, "--out", tmp_path / "file" / "below")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is played by /dev/full")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    from edge.errors import UserError
    from train import report

    report.write(tmp_path, {"a": "old", "b": "old"})
    (tmp_path / f"b.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match="No space left on device"):
        report.write(tmp_path, {"a": "new", "b": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "b": "old"}
    report.write(tmp_path, {"a": "new", "b": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}


def test_its_help_is_quick() -> None:
    done = command("train", "evaluate", "--help", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0 and "evaluation.html" in done.stdout
    assert not re.search(r"\| +(tensorflow|keras|matplotlib|sklearn)\n", done.stderr)
