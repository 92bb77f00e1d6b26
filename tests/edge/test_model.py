"""The model file: which files are accepted, which are refused, and with which message."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import graph_of, repack, sealed, unsealed

from edge.errors import UserError
from edge.model import DIGITS, SEAL, SHIPPED, Model


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Model(path)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_probabilities(tiny_model: Path) -> None:
    model = Model(tiny_model)
    size = model.size
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = model.probabilities(rng.integers(0, 256, (size, size, 3), np.uint8))
        assert p.shape == (2,) and p.dtype == np.float32 and (p >= 0).all() and abs(p.sum() - 1) < 1e-6


def test_verify_notices_a_wrong_answer(tiny_model: Path) -> None:
    model = Model(tiny_model)
    assert model.verify() == (4, 4)
    model._arrays["samples"]["outputs"][0] += 1
    assert model.verify() == (3, 4)


def test_missing_empty_text_and_foreign_files_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.tflite")
    (tmp_path / "empty.tflite").touch()
    assert "not a TFLite model" in refusal(tmp_path / "empty.tflite")
    (tmp_path / "text.tflite").write_text("this is no model, only a text")
    assert "not a TFLite model" in refusal(tmp_path / "text.tflite")
    foreign = graph_of(tiny_model.read_bytes())  # a good flatbuffer without a contract
    (tmp_path / "foreign.tflite").write_bytes(foreign)
    assert "no readable contract" in refusal(tmp_path / "foreign.tflite")


def test_any_flipped_bit_is_noticed(tmp_path: Path, tiny_model: Path) -> None:
    """Of the graph, some places; of the archive's headers at the end, and of the seal, each byte."""
    content = bytearray(tiny_model.read_bytes())
    end = content.index(b"PK\x01\x02", len(graph_of(bytes(content))))
    for place in (*np.linspace(8, end - 1, 200).astype(int), *range(end, len(content))):
        content[place] ^= 1 << place % 8
        (tmp_path / "a.tflite").write_bytes(content)
        assert refusal(tmp_path / "a.tflite").startswith(str(tmp_path))
        content[place] ^= 1 << place % 8


def test_older_files_are_read_without_protection(tmp_path: Path, tiny_model: Path) -> None:
    old = Model(unsealed(tiny_model, tmp_path / "old.tflite"))
    assert not old.sealed and Model(tiny_model).sealed and old.verify() == (4, 4)
    assert Model(tiny_model).sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()


def test_a_missing_seal_is_noticed(tmp_path: Path, tiny_model: Path) -> None:
    old = unsealed(tiny_model, tmp_path / "a.tflite")
    old.write_bytes(old.read_bytes().replace(b'"contract": 2', b'"contract": 3'))
    with zipfile.ZipFile(io.BytesIO(old.read_bytes())) as archive:
        assert archive.testzip() == "contract.json"  # its checksum is wrong now, so this file is refused already
    assert "no readable contract" in refusal(old)
    new = repack(tiny_model, tmp_path / "b.tflite", lambda _: None)
    new.write_bytes(new.read_bytes().replace(SEAL, b"SHA256:"))
    assert "the hash at its end is missing" in refusal(new)


@pytest.mark.parametrize("name", ["distance.npz", "samples.npz"])
def test_a_part_whose_name_is_damaged_is_missed(name: str, tmp_path: Path) -> None:
    """Without the distances, cells unlike anything in training would get names."""
    old = unsealed(SHIPPED, tmp_path / "a.tflite")
    old.write_bytes(old.read_bytes().replace(name.encode(), name.replace("s", "r", 1).encode()))
    assert "contract" in refusal(old)


def test_distances_of_other_features_are_refused(tmp_path: Path) -> None:
    content = SHIPPED.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {e.filename: archive.read(e) for e in archive.infolist()}
    for whiten, means, words in (
        (np.eye(3), np.zeros((2, 3)), "features are not those"),
        (np.eye(3), np.zeros((2, 4)), "incomplete contract"),
        (np.full((3, 3), np.nan), np.zeros((2, 3)), "incomplete contract"),
    ):
        npz = io.BytesIO()
        np.savez(npz, whiten=whiten, means=means)
        file = io.BytesIO(graph_of(content))
        with zipfile.ZipFile(file, "a") as archive:
            for name, body in (members | {"distance.npz": npz.getvalue()}).items():
                archive.writestr(name, body)
            archive.comment = SEAL + bytes(DIGITS)
        assert words in refusal(sealed(tmp_path / "a.tflite", file.getvalue()[:-DIGITS]))


def test_forged_archives_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    """Whoever forges a file computes its hash anew, so anything may follow the graph."""
    content = tiny_model.read_bytes()[:-DIGITS]
    end = content.index(b"PK\x01\x02", len(graph_of(content)))
    rng = np.random.default_rng(0)
    for _ in range(300):
        forged = bytearray(content)
        forged[rng.integers(end, len(content))] ^= 1 << int(rng.integers(8))
        with suppress(UserError):  # a bit of a date or a comment changes nothing
            Model(sealed(tmp_path / "a.tflite", bytes(forged)))
    for text in (b"[]", b"3", b"[" * 100_000, b'{"contract": 2, "training": ' + b"[" * 900 + b"]" * 900 + b"}"):
        file = io.BytesIO(graph_of(content))
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("contract.json", text)
            archive.writestr("samples.npz", b"")
            archive.comment = SEAL + bytes(DIGITS)
        assert "contract" in refusal(sealed(tmp_path / "a.tflite", file.getvalue()[:-DIGITS]))


def test_a_bomb_is_not_unpacked(tmp_path: Path, tiny_model: Path) -> None:
    file = io.BytesIO(graph_of(tiny_model.read_bytes()))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contract.json", b" " * 10_000_000)
        archive.comment = SEAL + bytes(DIGITS)
    assert "no readable contract" in refusal(sealed(tmp_path / "a.tflite", file.getvalue()[:-DIGITS]))


def test_every_truncation_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        (tmp_path / "a.tflite").write_bytes(content[:length])
        assert refusal(tmp_path / "a.tflite")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(contract=99), "contract version 99"),
        (lambda d: d.pop("contract"), "contract version None"),
        (lambda d: d.pop("labels"), "incomplete"),
        (lambda d: d.update(decision=None), "incomplete"),
        (lambda d: d.update(labels=["a", "b", "c"]), "outputs are not its labels"),
        (lambda d: d["input"].update(size=48), "input is not uint8"),
        (lambda d: d["crop"].update(version=7), "newer training run"),
        # A crop of an older version, which had another shape.
        (lambda d: (d["crop"].update(policy="pair"), d["input"].update(size=64)), "crops 'pair' version"),
        (lambda d: d["decision"].update(temperature=-1.0), "incomplete"),
        (lambda d: d["decision"].update(temperature=float("nan")), "incomplete"),
        (lambda d: d["decision"]["risks"].update({"0.01": {"sure": float("nan")}}), "incomplete"),
        (lambda d: d["decision"]["risks"].update({"0.01": {}}), "lacks min_confidence for the risk 0.01"),
        (lambda d: d["decision"]["risks"].update({"0.01": {"sure": 0.9, "far": 2.0}}), "lacks distance.npz"),
        (lambda d: d["decision"]["risks"].update({"nan": {"sure": 0.9}}), "incomplete"),
        (lambda d: d["input"].update(colour="BGR"), "incomplete"),
        (lambda d: d.update(labels=["lymphocyte", "lymphocyte"]), "outputs are not its labels"),
        (lambda d: d.update(kinds=["monocyte", "lymphocyte"]), "outputs are not its labels"),
    ],
)
def test_files_that_contradict_their_contract_are_refused(
    tmp_path: Path, tiny_model: Path, change: Callable[[dict], object], words: str
) -> None:
    assert words in refusal(repack(tiny_model, tmp_path / "a.tflite", change))


def test_opencv_has_as_many_threads_as_the_network() -> None:
    for threads in (2, 1):
        Model(threads=threads)
        assert cv2.getNumThreads() == threads
