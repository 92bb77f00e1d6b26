"""`train data kaggle:OWNER/NAME`: the real kagglehub against a stand-in for Kaggle on this machine."""

import csv
import io
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from conftest import assert_refused, command
from kaggle_server import Kaggle
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train.data import dataset, kaggle, prepare

HANDLE = "somebody/white-cells"
CHUNK = 1 << 20  # what kagglehub writes at once


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Raabin's layout with Train, Test-A, Test-B at the top, as on Kaggle; drawn cells."""
    rng = np.random.default_rng(0)
    names = [
        f"{'Test-A' if film > 7 else 'Train'}/{kind.capitalize()}/95-8-{film}-1_{number}_1.png"
        for film in range(1, 10)
        for number in range(3)
        for kind in drawing.KINDS
    ]
    names += [f"Test-B/Monocyte/{number}.png" for number in range(3)]
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as file:
        for name in names:
            kind = Path(name).parent.name.lower()
            picture = io.BytesIO()
            Image.fromarray(drawing.picture(kind, rng, 128, drawing.Look(red_cell=28))).save(picture, "PNG")
            file.writestr(name, picture.getvalue())
    return result.getvalue()


@pytest.fixture
def server(archive: bytes) -> Iterator[Kaggle]:
    with Kaggle({HANDLE: archive, "somebody/text": b"no archive"}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def fetch(server: Kaggle, folder: Path, handle: str = HANDLE) -> CompletedProcess[str]:
    return command("train", "data", f"kaggle:{handle}", "--out", folder / "out", environment=server.environment(folder))


def test_a_data_set_becomes_the_projects_layout(server: Kaggle, tmp_path: Path) -> None:
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "cells.csv").open()))
    assert len(rows) == 9 * 3 * 2 + 3
    assert {row["source"] for row in rows} == {"white-cells", "white-cells-b"}  # not the version's folder, "3"
    films = defaultdict(set)
    for row in rows:
        films[row["film"]].add(row["split"])
    assert films.pop("") == {"test"} and all(len(splits) == 1 for splits in films.values())
    assert len(dataset.read(tmp_path / "out")) == len(rows)
    assert "Downloading" in done.stderr and "Downloading" not in done.stdout  # stdout is for the counts
    assert "\nwhite-cells " in done.stdout


def test_what_was_downloaded_is_not_downloaded_again(server: Kaggle, tmp_path: Path) -> None:
    assert fetch(server, tmp_path).returncode == 0
    (tmp_path / "out").rename(tmp_path / "before")
    server.requests.clear()
    assert fetch(server, tmp_path).returncode == 0
    assert [path.rsplit("/")[-1] for _, path, _ in server.requests] == ["GetDataset"]  # is there a newer version?


def test_a_download_that_breaks_off_continues_where_it_stopped(server: Kaggle, archive: bytes, tmp_path: Path) -> None:
    assert len(archive) > CHUNK + 1000
    server.break_after = CHUNK + 1000
    assert_refused(fetch(server, tmp_path), "broke off", "run the same command again")
    assert not (tmp_path / "out").exists()
    server.break_after = None
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert server.requests[-1][2] == f"bytes={CHUNK}-"
    assert (tmp_path / "out" / "cells.csv").is_file()


def test_every_error_is_one_sentence(server: Kaggle, tmp_path: Path) -> None:
    home = tmp_path / "home"
    refusals = [("no such data set", fetch(server, home, "somebody/nothing"))]
    server.status = 500
    refusals.append(("answered 500; try again later", fetch(server, home)))
    server.status = None
    server.checksum = "AAAAAAAAAAAAAAAAAAAAAA=="
    refusals.append(("another checksum", fetch(server, home)))
    server.checksum = None
    cached = home / "kagglehub" / "datasets" / "somebody" / "text"
    refusals.append((f"delete {cached}", fetch(server, home, "somebody/text")))
    server.shutdown()
    server.server_close()
    refusals.append(("check the network", fetch(server, home)))
    for words, done in refusals:
        assert_refused(done, words)
        sentence = done.stderr[done.stderr.index("Error: ") :]
        assert sentence.count("\n") == 1 and "http" not in sentence, sentence
    assert not (home / "out").exists()


def test_a_cache_that_cannot_be_written(server: Kaggle, tmp_path: Path) -> None:
    (tmp_path / "kagglehub").write_text("a file in the way")
    assert_refused(fetch(server, tmp_path), "can't be written", "KAGGLEHUB_CACHE")


@pytest.mark.parametrize(
    "source", ["kaggle:", "kaggle:name", "kaggle:a/b/c", "kaggle:a/b/versions/new", "kaggle:a b/c"]
)
def test_names_that_are_not_a_data_set_s(source: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="OWNER/NAME"):
        prepare.prepare(source, tmp_path / "out")


def test_the_name_of_a_data_set() -> None:
    assert kaggle.name("kaggle:a/b-c") == kaggle.name("kaggle:a/b-c/versions/4") == "b-c"


def test_without_kagglehub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(UserError, match="pip install kagglehub"):
        prepare.prepare("kaggle:a/b", tmp_path / "out")
