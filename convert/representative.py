"""The representative data set: balanced training pictures that show which values occur in the network."""

import hashlib
from collections.abc import Sequence

import numpy as np

from edge.errors import UserError
from train.data.dataset import Example

COUNT = 400  # pictures, spread over sources and kinds; other numbers have not been tried


def chosen(training: Sequence[Example], count: int = COUNT) -> list[Example]:
    """Chooses about `count` training pictures: equally many of each kind from each source, or all if there are fewer.

    The same input always gives the same choice.

    Raises:
        UserError: if `training` holds a picture of another split.
    """
    groups: dict[tuple[str, str], list[Example]] = {}
    for example in training:
        if example.split != "train":
            raise UserError(
                "Only training pictures may be used for calibration: with pictures of val or test, the measured "
                "accuracy would be too good."
            )
        groups.setdefault((example.source, example.kind or example.label), []).append(example)
    rng = np.random.default_rng(0)
    pictures = []
    for _, group in sorted(groups.items()):
        take = min(len(group), -(-count // len(groups)))
        pictures += [group[i] for i in sorted(rng.permutation(len(group))[:take])]
    return pictures


def unseen(examples: Sequence[Example], crops: np.ndarray, others: np.ndarray) -> None:
    """Checks that no calibration picture is also in val or test, even under another name.

    Args:
        examples: the calibration pictures.
        crops: crops of these pictures, uint8 [len(examples), size, size, 3].
        others: crops of the val or test split, uint8 [n, size, size, 3].

    Raises:
        UserError: if a crop is in both, byte for byte.
    """
    digests = {_digest(crop) for crop in others}
    for example, crop in zip(examples, crops, strict=True):
        if _digest(crop) in digests:
            raise UserError(
                f"{example.path}, a training picture, is also in val or test, so it can't be used for calibration; "
                "run `train data` on the pictures, which puts copies into the same split."
            )


def _digest(crop: np.ndarray) -> bytes:
    return hashlib.sha256(crop.tobytes()).digest()
