"""The model file: which files are accepted, which are refused, and with which message."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import UserError
from edge.model import Model


def graph_of(content: bytes) -> bytes:
    """The flatbuffer in front of a model file's archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return content[: min(entry.header_offset for entry in archive.infolist())]


def repack(path: Path, out: Path, change: Callable[[dict], object]) -> Path:
    """Writes a copy of a model file with a changed contract.json."""
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {e.filename: archive.read(e) for e in archive.infolist()}
    document = json.loads(members["contract.json"])
    change(document)
    members["contract.json"] = json.dumps(document).encode()
    file = io.BytesIO(graph_of(content))
    with zipfile.ZipFile(file, "a") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    out.write_bytes(file.getvalue())
    return out


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


def test_any_flipped_byte_is_noticed(tmp_path: Path, tiny_model: Path) -> None:
    """A flipped byte in the graph is noticed by its hash, before the runtime opens it. Some would crash the runtime."""
    content = bytearray(tiny_model.read_bytes())
    graph = len(graph_of(bytes(content)))
    for place in np.linspace(8, graph - 1, 40).astype(int):
        content[place] ^= 0xFF
        (tmp_path / "a.tflite").write_bytes(content)
        assert "damaged" in refusal(tmp_path / "a.tflite")
        content[place] ^= 0xFF


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
    ],
)
def test_files_that_contradict_their_contract_are_refused(
    tmp_path: Path, tiny_model: Path, change: Callable[[dict], object], words: str
) -> None:
    assert words in refusal(repack(tiny_model, tmp_path / "a.tflite", change))
