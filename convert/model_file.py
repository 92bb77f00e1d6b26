"""Makes the bytes of a model file from a flatbuffer and its contract.

The layout of model files is described in edge/model.py, which reads them.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from convert import field_shapes, metadata
from edge import __version__
from edge import contract as contracts
from edge.cell import whole_image
from edge.contract import Contract
from edge.crop import crop
from edge.errors import UserError, reason
from edge.frames import Frame
from edge.locate import Locator
from edge.model import DIGITS, SEAL, File
from edge.simulator import drawing

Opened = TypeVar("Opened", bound=File)
Arrays = dict[str, np.ndarray]
_DATE = (1980, 1, 1, 0, 0, 0)  # zip's earliest date; it is fixed so that the same input gives the same bytes


@dataclass(frozen=True)
class Draft(Generic[Opened]):
    """A model that is already opened and running, while its contract is still incomplete.

    Attributes:
        graph: the flatbuffer with its metadata, as it will be in the finished file.
        model: the opened model.
        samples: "inputs", drawn pictures, uint8 [n, size, size, 3], and the model's raw answers to them (File.answers).
    """

    graph: bytes
    model: Opened
    samples: Arrays

    def sealed(self, contract: Contract, distance: Arrays | None = None) -> bytes:
        """The bytes of the model file.

        Args:
            contract: the contract; the version of the code and the hash of the graph are filled in by this method.
            distance: arrays of edge.mahalanobis; None or empty if the graph doesn't output its features.
        """
        arrays = {"samples": self.samples} | ({"distance": distance} if distance else {})
        return pack(self.graph, _completed(contract, self.graph), arrays)


def draft(graph: bytes, contract: Contract, kind: type[Opened]) -> Draft[Opened]:
    """Opens a flatbuffer as a model and lets it answer the sample pictures.

    Args:
        graph: the flatbuffer.
        contract: the contract as far as it is known; network, labels, quantization, licence and input must be final.
        kind: the class that opens such models, edge.model.File or a subclass of it.

    Raises:
        UserError: if there is no room for a temporary file, or if the model can't be run.
    """
    size = contract.input.size
    subject = "white blood cells in stained smears" if contract.training is not None else "pictures"
    graph = metadata.attach(
        graph,
        name=f"{contract.network} ({contract.quantization.kind})",
        description=f"{' or '.join(contract.labels)}: {subject}. Not a medical device.",
        version=__version__,
        licence=contract.licence,
        size=size,
    )
    inputs = sample_inputs(size) if contract.crop else sample_field(size)  # a locator, which has no crop, takes fields
    samples = {"inputs": inputs[:0], "outputs": np.zeros(0, np.uint8)}
    model = opened(pack(graph, _completed(contract, graph), {"samples": samples}), kind)
    return Draft(graph, model, {"inputs": inputs} | model.answers(inputs))


def _completed(contract: Contract, graph: bytes) -> Contract:
    return replace(contract, code_version=__version__, graph_sha256=hashlib.sha256(graph).hexdigest())


def opened(content: bytes, kind: type[Opened]) -> Opened:
    """Opens the bytes of a model file.

    `kind` opens files only, so the bytes are written to a temporary file. It can be deleted at once, because it stays
    mapped into memory.

    Raises:
        UserError: if the temporary file can't be written, or if `kind` refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        path = Path(folder) / "model.tflite"
        try:
            path.write_bytes(content)
        except OSError as error:
            raise UserError(f"{folder} can't be written: {reason(error)}; set TMPDIR to a folder with room.") from error
        return kind(path)


def pack(graph: bytes, contract: Contract, arrays: Mapping[str, Arrays]) -> bytes:
    """The bytes of a model file.

    Args:
        graph: the flatbuffer.
        contract: what is written to contract.json.
        arrays: the arrays of each .npz file, by the file's name without ending.

    The archive is uncompressed, because MediaPipe reads no other. The content of each .npz file is compressed. The seal
    ends the file; see edge.model.
    """
    file = io.BytesIO(graph)
    document = json.dumps(contracts.write(contract), separators=(",", ":"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo("labels.txt", _DATE), "\n".join(contract.kinds or contract.labels) + "\n")
        archive.writestr(zipfile.ZipInfo("contract.json", _DATE), document + "\n")
        for name, each in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npz", _DATE), _npz(each))
        archive.comment = SEAL + bytes(DIGITS)
    content = file.getvalue()[:-DIGITS]
    return content + hashlib.sha256(content).hexdigest().encode()


def sealed(path: Path) -> bytes:
    """The bytes of an older model file in today's form: with a seal and, for a locator, with `field_shapes`.

    Its network, limits and samples stay the same.

    Raises:
        UserError: if it isn't a model file.
    """
    old = File(path)
    with zipfile.ZipFile(path) as archive:
        graph = path.read_bytes()[: min(entry.header_offset for entry in archive.infolist())]
    contract = replace(old.contract, version=contracts.VERSION)
    if contract.crop:
        return pack(graph, contract, old._arrays)
    graph = field_shapes.added(graph)
    contract = replace(contract, graph_sha256=hashlib.sha256(graph).hexdigest())
    inputs = old._arrays["samples"]["inputs"]
    locator = opened(pack(graph, contract, old._arrays), Locator)
    return pack(graph, contract, {"samples": {"inputs": inputs} | locator.answers(inputs)})


def _npz(arrays: Arrays) -> bytes:
    """Does the same as np.savez_compressed, but with a fixed date, so that the bytes are always the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as npz:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            npz.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), member.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def sample_inputs(size: int) -> np.ndarray:
    """Drawn cells, two lymphocytes and two monocytes, uint8 [4, size, size, 3].

    They are drawn because a model file must not contain real patients' pictures. To keep the file small, they have no
    sensor noise and only eight levels per channel, which compresses well.
    """
    rng, look = np.random.default_rng(0), drawing.Look(noise=0.0)
    frames = [Frame(drawing.picture(kind, rng, look=look), kind, 0, 0.0) for kind in drawing.KINDS for _ in range(2)]
    pictures = np.stack([crop(frame, whole_image(frame)[0], size, "whole-image") for frame in frames])
    return pictures // 32 * 32 + 16


def sample_field(size: int) -> np.ndarray:
    """A drawn field for the locator, uint8 [1, size, size, 3]; without sensor noise, which compresses badly."""
    look = drawing.Look(red_cell=size / 8, noise=0.0)
    return drawing.picture("monocyte", np.random.default_rng(0), size, look)[None]
