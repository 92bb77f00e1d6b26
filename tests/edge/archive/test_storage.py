"""Pictures in object storage: the answers are those of the same pictures on disk. By servers of the two protocols."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import assert_refused, command

pytest.importorskip("s3fs", reason="needs the extra archive")
pytest.importorskip("gcsfs", reason="needs the extra archive")

from archive_helpers import answer, draw, rows, server

PICTURES = 6
KEYS = {"AWS_ACCESS_KEY_ID": "of a test", "AWS_SECRET_ACCESS_KEY": "of a test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = draw(tmp_path_factory.mktemp("storage") / "fields", PICTURES)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module", params=["s3", "gs"])
def storage(request: pytest.FixtureRequest, fields: Path) -> Iterator[str]:
    """The address of a folder with the fields, in the storage of a server on this machine."""
    import fsspec

    if request.param == "s3":
        pytest.importorskip("moto")
        words = ["-m", "moto.server", "-p", "PORT"]
    else:
        pytest.importorskip("gcp_storage_emulator")
        code = (
            "from gcp_storage_emulator.server import create_server\n"
            "create_server('127.0.0.1', PORT, in_memory=True, default_bucket='archive').run()"
        )
        words = ["-c", code]
    with server(*words) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("STORAGE_EMULATOR_HOST", address)
        # gcsfs asks by gRPC what kind of bucket it is, which this server doesn't speak.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        for key, value in KEYS.items():
            patch.setenv(key, value)
        system = fsspec.filesystem(request.param, skip_instance_cache=True)
        if request.param == "s3":
            system.mkdir("archive")
        for path in fields.rglob("*.*"):
            system.pipe(f"archive/{path.relative_to(fields.parent)}", path.read_bytes())
        yield f"{request.param}://archive/fields"


def test_the_rows_are_those_of_the_same_folder_on_disk(storage: str, fields: Path, tmp_path: Path) -> None:
    answer(fields, out=tmp_path / "disk")
    done = command("edge.archive", "run", storage, "--out", tmp_path / "out", "--jobs", 2)
    assert "2 could not be read" in done.stderr
    found = [row | {"source": row["source"].replace(storage, str(fields))} for row in rows(tmp_path / "out", "fields")]
    assert found == rows(tmp_path / "disk", "fields")
    again = command("edge.archive", "run", storage, "--out", tmp_path / "out", "--jobs", 2)
    assert again.stderr.startswith(f"0 pictures were answered, {PICTURES + 3} were done before")


def test_a_table_in_the_storage_names_pictures_beside_it(storage: str, fields: Path, tmp_path: Path) -> None:
    import fsspec

    kind, top = storage.partition("://")[0], storage.rpartition("/")[0]
    lines = ["path,site", "fields/slide-0/000.jpg,a", "fields/gone.jpg,a", f"{storage}/slide-1/001.jpg,b", ",b"]
    fsspec.filesystem(kind).pipe("archive/list.csv", "\n".join(lines).encode())
    outcome = answer(f"{top}/list.csv", out=tmp_path / "out")
    assert (outcome.pictures, outcome.unreadable) == (4, 2)
    errors = {row["source"]: row["error"] for site in "ab" for row in rows(tmp_path / "out", site) if "error" in row}
    assert errors == {
        f"{top}/fields/gone.jpg": "does not exist.",
        f"{top}/list.csv, line 5": "names no picture: its column path is empty.",
    }


def test_a_pattern_and_a_changed_object(storage: str, fields: Path, tmp_path: Path) -> None:
    import fsspec

    pattern, out = f"{storage}/slide-*/00*.jpg", tmp_path / "out"
    assert answer(pattern, out=out).answered == PICTURES
    system = fsspec.filesystem(storage.partition("://")[0])
    system.pipe("archive/fields/slide-0/000.jpg", (fields / "slide-1" / "001.jpg").read_bytes())
    assert answer(pattern, out=out).answered == 1
    system.pipe("archive/fields/slide-0/000.jpg", (fields / "slide-0" / "000.jpg").read_bytes())


def test_what_is_not_there_is_said(storage: str, tmp_path: Path) -> None:
    for address in (f"{storage}/nothing", storage.replace("archive", "no-such-bucket"), "ftp2://archive/fields"):
        done = command("edge.archive", "run", address, "--out", tmp_path / "out")
        assert_refused(done, address)


def test_a_sample_is_made_of_objects(storage: str, tmp_path: Path) -> None:
    answer(storage, out=tmp_path / "out")
    done = command("edge.archive", "sample", tmp_path / "out", "--doubtful", 3, "--out", tmp_path / "doubtful.session")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "out")
    assert os.path.getsize(tmp_path / "doubtful.session") > 10_000  # noqa: PTH202
