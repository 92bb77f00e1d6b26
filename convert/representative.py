"""The representative data set: balanced training pictures that show int8 which values to expect."""

import hashlib
from collections.abc import Sequence

import numpy as np

from edge.errors import UserError
from train.data.dataset import Example

COUNT = 400  # pictures, spread over sources and classes; other numbers have not been compared


def chosen(training: Sequence[Example], count: int = COUNT) -> list[Example]:
    """About `count` training pictures, equally many of each kind from each source; always the same ones.

    Raises:
        UserError: if one of `training` isn't a training picture.
    """
    groups: dict[tuple[str, str], list[Example]] = {}
    for example in training:
        if example.split != "train":
            raise UserError("Only training pictures may calibrate; pictures of val or test would spoil the figures.")
        groups.setdefault((example.source, example.kind or example.label), []).append(example)
    rng = np.random.default_rng(0)
    pictures = []
    for _, group in sorted(groups.items()):
        take = min(len(group), -(-count // len(groups)))
        pictures += [group[i] for i in sorted(rng.permutation(len(group))[:take])]
    return pictures


def unseen(examples: Sequence[Example], crops: np.ndarray, others: np.ndarray) -> None:
    """Refuses calibration pictures of which a copy stands in val or test, whatever its name.

    Args:
        examples: the calibration pictures.
        crops: of them, uint8 [len(examples), size, size, 3].
        others: crops of val and test, uint8 [n, size, size, 3].

    Raises:
        UserError: if there is such a copy.
    """
    digests = {_digest(crop) for crop in others}
    for example, crop in zip(examples, crops, strict=True):
        if _digest(crop) in digests:
            raise UserError(
                f"{example.path}, a training picture, is also in val or test, so it can't calibrate; "
                "run `train data` on the pictures, which keeps copies together."
            )


def _digest(crop: np.ndarray) -> bytes:
    return hashlib.sha256(crop.tobytes()).digest()
