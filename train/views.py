"""Augmented views of each picture, made once and kept on disk: what the microscope might have shown instead.

The runner (edge) normalises what the camera gives. So each picture is changed at random first, and normalised after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from edge.normalise import REACH, alone, distance, normalise
from edge.system.progress import Progress, silent
from train.augment import augment
from train.data import array_cache, crop_cache
from train.data.array_cache import Spec
from train.data.crop_cache import Wanted
from train.data.dataset import Example
from train.settings import Settings

_BATCH = 64
_UNCERTAINTY = 0.1  # standard deviation of the logarithm of the nucleus' diameter as the locator measures it
_NEAR = 36  # 64ths of a nucleus' diameter, from its middle (its edge is at 32): no red cell is brought nearer
_VERSION = 3  # of how views are made; views of another version in the cache are not used


@dataclass(frozen=True)
class Recipe:
    """How the views of pictures are made.

    Attributes:
        settings: only its size, policy, ruler and amount are used.
        changes: names of the random changes, from train.augment.recipe.
        crowd: share of the pictures that `crowded` changes, 0 to 1.
        count: number of views of each picture, at least 1.
    """

    settings: Settings
    changes: tuple[str, ...]
    crowd: float
    count: int


def parts(changes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divides the changes of train.augment.recipe into those that `views` makes and those that each epoch makes anew.

    Views take long to make, but mirroring doesn't. So pictures are mirrored again in each epoch. Colours are only
    removed after they were normalised, so this is left to the epochs, too.
    """
    return [name for name in changes if name != "grey"], [name for name in changes if name in ("flip", "grey")]


def views(folder: Path, examples: Sequence[Example], recipe: Recipe, progress: Progress = silent) -> list[np.ndarray]:
    """Augmented views of the examples' crops.

    Args:
        folder: the data folder.
        examples: pictures of that folder.
        recipe: how the views are made.
        progress: see edge.system.progress.

    Returns:
        `recipe.count` memory maps, uint8 [n, size, size, 3], kept in the cache.

    Raises:
        UserError: if pictures can't be read, or if the cache can't be written.
    """
    settings = recipe.settings
    size, amount, changes = settings.size, settings.amount, list(recipe.changes)
    normalised = settings.policy == "normalised"
    policy = "cell" if normalised else settings.policy
    made = crop_cache.make(folder, examples, Wanted(size, (policy,), normalised, settings.ruler), progress=progress)
    plain, nuclei = made.crops[policy], made.nuclei
    change = tf.function(lambda pictures, seed: augment(pictures, seed, changes, amount), autograph=False)

    def make(view: int, first: int) -> np.ndarray:
        pictures, seed = plain[first : first + _BATCH], tf.constant([view, first])
        if nuclei is None:
            return _bytes(change(tf.constant(pictures), seed))
        rng = np.random.default_rng([view, first])
        error = rng.normal(0, _UNCERTAINTY, len(pictures))
        distances = [distance(size, n) for n in nuclei[first : first + _BATCH] * np.exp(error)]
        # The distance of each pixel from the nucleus is a fourth channel, so that it moves with the picture.
        four = np.concatenate([pictures, np.stack(distances)[..., None]], axis=-1)
        changed = _bytes(change(tf.constant(crowded(four, recipe.crowd, rng)), seed))
        return np.stack([alone(normalise(picture[..., :3]), picture[..., 3]) for picture in changed])

    key = [_VERSION, array_cache.content_hash(plain), settings.policy, changes, amount, recipe.crowd]
    spec = Spec("views", key, "|u1", plain.shape)
    return array_cache.kept(spec, recipe.count, make, _BATCH, "View", progress)


def crowded(pictures: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Brings red cells close to the white cell in some of the pictures.

    On a thin smear white cells lie apart. On a thick one red cells press against them, and a network that has never
    seen that takes them for cytoplasm. The surroundings of another picture's cell are turned, moved and laid over the
    picture, but not over its nucleus. At each pixel the darker level is kept, as if one cell lay on the other.

    Args:
        pictures: uint8 [n, size, size, 4]; the fourth channel is each pixel's distance from the middle of the nucleus,
            as from edge.normalise.distance.
        share: share of the pictures that are changed, 0 to 1.
        rng: the source of random numbers.
    """
    result = pictures.copy()
    size = pictures.shape[1]
    for i in np.flatnonzero(rng.random(len(pictures)) < share):
        other = np.rot90(pictures[rng.integers(len(pictures))], int(rng.integers(4)))
        other = np.roll(other, rng.integers(-size // 3, size // 3 + 1, 2), axis=(0, 1))
        covered = (other[..., 3] > REACH) & (pictures[i, ..., 3] > _NEAR)
        result[i, ..., :3][covered] = np.minimum(pictures[i, ..., :3], other[..., :3])[covered]
    return result


def _bytes(pictures: tf.Tensor) -> np.ndarray:
    return np.rint(pictures.numpy()).astype(np.uint8)
