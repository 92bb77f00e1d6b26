"""The pictures that show int8 which values to expect: training pictures, balanced, and no others."""

import hashlib
from collections.abc import Sequence

import numpy as np

from edge.errors import UserError
from train.data import Example

COUNT = 400  # pictures, spread over sources and classes; other numbers have not been compared


def chosen(training: Sequence[Example], count: int = COUNT) -> list[Example]:
    """About `count` training pictures, as many of each kind of each source, always the same ones.

    Raises UserError where one isn't a training picture.
    """
    groups: dict[tuple[str, str], list[Example]] = {}
    for example in training:
        if example.split != "train":
            raise UserError("Only training pictures may calibrate; a val or test picture would spoil the figures.")
        groups.setdefault((example.source, example.kind or example.label), []).append(example)
    rng = np.random.default_rng(0)
    result = []
    for _, group in sorted(groups.items()):
        take = min(len(group), -(-count // len(groups)))
        result += [group[i] for i in sorted(rng.permutation(len(group))[:take])]
    return result


def unseen(examples: Sequence[Example], crops: np.ndarray, others: np.ndarray) -> None:
    """Refuses (raises UserError) calibration pictures of which a copy is in val or test, whatever its name.

    crops: uint8 [len(examples), size, size, 3]; others: uint8 [n, size, size, 3], of val and test.
    """
    known = {_digest(crop) for crop in others}
    for example, crop in zip(examples, crops, strict=True):
        if _digest(crop) in known:
            raise UserError(
                f"{example.path}, a training picture, stands in val or test too, and can't calibrate what they prove; "
                "run `train data` on the pictures, which keeps copies together."
            )


def _digest(crop: np.ndarray) -> bytes:
    return hashlib.sha256(crop.tobytes()).digest()
