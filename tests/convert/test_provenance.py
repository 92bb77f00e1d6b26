"""What made a model file: the statement beside it, and whether the same run gives the same file and weights again."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest
from conftest import ROOT, assert_refused, command, invoke

from convert import provenance
from edge.model import Model
from train import provenance as code
from train import run as runs


def statement(model: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(model.with_name(f"{model.stem}.provenance.json").read_text())
    return document


def test_a_statement_says_what_made_the_file(tiny_model: Path, tiny_run: Path, drawn: Path) -> None:
    document, report = statement(tiny_model), json.loads((tiny_run / "run.json").read_text())
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    [subject] = document["subject"]
    assert subject == {
        "name": tiny_model.name,
        "digest": {"sha256": hashlib.sha256(tiny_model.read_bytes()).hexdigest()},
    }
    made = document["predicate"]["buildDefinition"]
    assert made["externalParameters"]["command"].startswith("convert --int8 ")
    assert made["internalParameters"]["training"] == report["made"]
    assert report["made"]["command"].startswith(f"train baseline --data {drawn}")
    parts = {each.get("name") or each["uri"].partition("@")[0]: each for each in made["resolvedDependencies"]}
    network = hashlib.sha256((tiny_run / "model.keras").read_bytes()).hexdigest()
    assert parts["network"]["digest"] == {"sha256": network}
    assert parts["pictures"]["annotations"]["splits_sha256"] == report["data"]["split_sha256"]
    assert parts["pkg:pypi/keras"]["uri"] == f"pkg:pypi/keras@{keras.__version__}"
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0:
        assert parts["pkg:pypi/edge-classify"]["digest"] == {"gitCommit": git.stdout.strip()}
        assert report["made"]["commit"] == git.stdout.strip() and isinstance(report["made"]["changed"], bool)


def test_the_hash_of_pictures_sees_each_of_them(tiny_run: Path, drawn: Path, tmp_path: Path) -> None:
    report, _ = runs.read(tiny_run)
    examples = runs.examples(tiny_run, report, drawn)
    copy = tmp_path / "data"
    shutil.copytree(drawn, copy)
    before = provenance.pictures_sha256(drawn, examples)
    assert before and before == provenance.pictures_sha256(copy, examples[::-1])
    parts = statement(tiny_run / "baseline-int8.tflite")["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {"sha256": before} in [each.get("digest") for each in parts]
    changed = copy / examples[0].path
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert provenance.pictures_sha256(copy, examples) not in (before, None)
    changed.unlink()
    assert provenance.pictures_sha256(copy, examples) is None


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a file of each room."""
    folder = tmp_path / "clone"
    for room in ("edge", "train", "convert"):
        (folder / room).mkdir(parents=True)
        (folder / room / "__init__.py").write_text("")
    monkeypatch.setattr(code, "_PROJECT", folder)
    return folder


def test_code_that_differs_from_its_commit_is_said_to(git: Path) -> None:
    assert (code.made().commit, code.made().changed) == (None, None)  # not a clone
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], cwd=git, check=True)
    (git / "other").write_text("")
    subprocess.run(["git", "add", "other"], cwd=git, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "x"], cwd=git, check=True)
    assert code.made().commit is None  # a clone of something else, as around an installed package
    subprocess.run(["git", "add", "."], cwd=git, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "x"], cwd=git, check=True)
    assert len(code.made().commit or "") == 40 and code.made().changed is False
    (git / "notes").write_text("not code")
    assert code.made().changed is False
    (git / "train" / "new.py").write_text("")
    assert code.made().changed is True


@pytest.mark.slow
def test_a_run_gives_the_same_file_again_and_its_command_the_same_weights(tiny_model: Path, tiny_run: Path) -> None:
    done = command("convert", "verify", tiny_model, "--rebuild", tiny_run, "--retrain")
    assert done.returncode == 0, done.stderr
    _, again, weights = done.stdout.splitlines()
    assert again.endswith(f"gives the same file, byte for byte: sha256 {Model(tiny_model).sha256}.")
    assert "trained again, gives the same " in weights and weights.endswith("weights, bit for bit.")


@pytest.mark.slow
def test_another_network_is_noticed(tiny_model: Path, tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    shutil.copytree(tiny_run, other)
    model = keras.models.load_model(other / "model.keras", compile=False)
    first, *rest = model.get_weights()
    model.set_weights([first * 1.01, *rest])
    model.save(other / "model.keras")
    done = invoke("convert", "verify", tiny_model, "--rebuild", other)
    assert done.returncode == 1 and "gives another file. These parts differ: " in done.stdout, done.stderr
    assert "keras_sha256" in done.stdout and "graph_sha256" in done.stdout
    lone = tmp_path / "lone.tflite"
    shutil.copy(tiny_model, lone)
    done = invoke("convert", "verify", lone, "--rebuild", other)
    assert done.returncode == 1 and "so the default options were taken" in done.stdout


@pytest.mark.slow
def test_an_older_run_is_converted_as_before(tiny_run: Path, tmp_path: Path) -> None:
    older = tmp_path / "run"
    shutil.copytree(tiny_run, older)
    report = json.loads((older / "run.json").read_text())
    del report["made"]
    (older / "run.json").write_text(json.dumps(report))
    done = invoke("convert", "verify", older / "baseline-int8.tflite", "--rebuild", older, "--retrain")
    assert "the same file, byte for byte" in done.stdout
    assert_refused(done, "doesn't name the command that trained this")
    assert_refused(invoke("convert", "verify", older / "baseline-int8.tflite", "--retrain"), "--rebuild RUN")


def test_the_file_itself_does_not_depend_on_who_made_it(tiny_model: Path) -> None:
    with zipfile.ZipFile(tiny_model) as archive:
        assert b"commit" not in archive.read("contract.json")
