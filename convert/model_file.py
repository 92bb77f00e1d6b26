"""The model file's contract: all that a runner and a reader must know, inside the one file.

See edge/model.py, which reads it, for the file's layout.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from convert import metadata
from edge import __version__
from edge.cell import whole_image
from edge.crop import crop
from edge.errors import UserError, reason
from edge.frames import Frame
from edge.model import CONTRACT_VERSION, File
from edge.simulator import drawing
from train import report

Opened = TypeVar("Opened", bound=File)
_DATE = (1980, 1, 1, 0, 0, 0)  # zip's first: the same input gives the same bytes


def write(path: Path, graph: bytes, document: dict) -> None:
    """seal()s and writes one file; no half-written file is ever under its name. Raises UserError where it can't be."""
    report.write(path.parent, {path.name: seal(graph, document)})


def seal(graph: bytes, document: dict, distance: dict[str, np.ndarray] | None = None) -> bytes:
    """Flatbuffer, contract and edge.mahalanobis's arrays, if any -> the bytes of the model file.

    `document` is the contract without what is taken from the graph itself: version, hash and samples are added.
    Raises UserError where the runner, which answers the samples, has no room or can't run it.
    """
    size = document["input"]["size"]
    subject = "white blood cells in stained smears" if "training" in document else "pictures"
    graph = metadata.attach(
        graph,
        name=f"{document['network']} ({document['quantization']['kind']})",
        description=f"{' or '.join(document['labels'])}: {subject}. Not a medical device.",
        version=__version__,
        licence=document["licence"],
        size=size,
    )
    made = {"code_version": __version__, "graph_sha256": hashlib.sha256(graph).hexdigest()}
    document = {"contract": CONTRACT_VERSION} | document | made
    inputs = sample_inputs(size) if "crop" in document else sample_field(size)  # a locator takes fields
    nothing = {"inputs": inputs[:0], "outputs": np.zeros(0, np.uint8)}
    with opened(pack(graph, document, {"samples": nothing}), File) as model:
        outputs = np.stack([model.raw(picture) for picture in inputs])  # the runner itself says what to expect of it
    arrays = {"samples": {"inputs": inputs, "outputs": outputs}}
    return pack(graph, document, arrays | ({"distance": distance} if distance else {}))


@contextmanager
def opened(content: bytes, kind: type[Opened]) -> Iterator[Opened]:
    """A model file's bytes as the runner opens them, from a temporary file. Raises UserError where that has no room."""
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        path = Path(folder) / "model.tflite"
        try:
            path.write_bytes(content)
        except OSError as error:
            raise UserError(f"{folder} can't be written: {reason(error)}; set TMPDIR to a folder with room.") from error
        yield kind(path)


def pack(graph: bytes, document: dict, arrays: dict[str, dict[str, np.ndarray]]) -> bytes:
    """Flatbuffer, contract and arrays by the name of their .npz -> the bytes of the file.

    The archive is uncompressed because MediaPipe reads no other; the arrays are compressed in themselves.
    """
    file = io.BytesIO(graph)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(
            zipfile.ZipInfo("labels.txt", _DATE), "\n".join(document.get("kinds", document["labels"])) + "\n"
        )
        archive.writestr(zipfile.ZipInfo("contract.json", _DATE), json.dumps(document, separators=(",", ":")) + "\n")
        for name, each in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npz", _DATE), _npz(each))
    return file.getvalue()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """np.savez_compressed without today's date."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as npz:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            npz.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), member.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def sample_inputs(size: int) -> np.ndarray:
    """Drawn cells, two of each kind (no real picture may travel in a model file) -> uint8 [4, size, size, 3].

    Without sensor noise and in eight levels a channel, so that they compress: next to VGG16 every kilobyte counts.
    """
    rng, look = np.random.default_rng(0), drawing.Look(noise=0.0)
    frames = [Frame(drawing.picture(kind, rng, look=look), kind, 0, 0.0) for kind in drawing.KINDS for _ in range(2)]
    pictures = np.stack([crop(frame, whole_image(frame)[0], size, "whole-image") for frame in frames])
    return pictures // 32 * 32 + 16


def sample_field(size: int) -> np.ndarray:
    """A drawn field for the locator, without sensor noise, which wouldn't compress -> uint8 [1, size, size, 3]."""
    look = drawing.Look(red_cell=size / 8, noise=0.0)
    return drawing.picture("monocyte", np.random.default_rng(0), size, look)[None]
