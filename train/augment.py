"""Random changes to pictures, such as between two microscopes, so that the network learns to ignore them.

The same seed gives the same pictures, so that a training run can be repeated. A recipe is a list of changes by name.
Moves come first and are made in one step; then come changes of stain, light, lens, sensor and file.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from edge.errors import UserError


def augment(images: tf.Tensor, seed: tf.Tensor, changes: list[str], amount: float = 1.0) -> tf.Tensor:
    """Changes each picture of a batch at random.

    Args:
        images: RGB [batch, size, size, 3], 0 to 255. Further channels are only moved with the picture.
        seed: seed of all random choices, int32 [2].
        changes: names in MOVES and VIEWS, as `recipe` gives them. They are made in the order in which a
            microscope's picture arises, from the slide to the file.
        amount: how strong the changes in VIEWS are; 1 is as much as microscopes of one kind differ.

    Returns:
        The changed pictures, float32, of the same shape and range.
    """
    images = tf.cast(images, tf.float32)
    count = tf.shape(images)[0]
    seeds = {name: tf.random.experimental.stateless_fold_in(seed, i) for i, name in enumerate(_NUMBERED)}
    matrices = [move(count, seeds[name]) for name, move in MOVES.items() if name in changes]
    if matrices:
        images = tf.ensure_shape(_warp(images, functools.reduce(tf.matmul, matrices)), images.shape)
    images, others = images[..., :3], images[..., 3:]
    for name, view in VIEWS.items():
        if name in changes:
            images = view(images, seeds[name], amount)
    return tf.concat([images, others], axis=-1)


def recipe(text: str) -> list[str]:
    """The names of the changes in a text such as "full", "geometry,blur" or "full,-jpeg".

    Raises:
        UserError: for an unknown name.
    """
    chosen: set[str] = set()
    for word in text.split(","):
        name = word.strip().removeprefix("-")
        if name not in RECIPES and name not in _NAMES:
            known = ", ".join([*RECIPES, *_NAMES])
            raise UserError(
                f"There is no augmentation {name!r}; choose from {known}; a minus before a name leaves it out."
            )
        names = set(RECIPES.get(name, (name,)))
        chosen = chosen - names if word.strip().startswith("-") else chosen | names
    return [name for name in _NAMES if name in chosen]


def _flip(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors half the pictures, at random."""
    side = tf.where(tf.random.stateless_uniform([count], seed) < 0.5, -1.0, 1.0)
    return _matrix(side, 0.0, 0.0, tf.ones_like(side))


def _rotate(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Turns by any angle: a smear has no top or bottom."""
    angle = math.pi * tf.random.stateless_uniform([count], seed, -1.0, 1.0)
    return _matrix(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle))


def _scale(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Scales to 0.85 to 1.18 times the size, and makes the picture a little wider or narrower."""
    size, aspect = tf.unstack(tf.random.stateless_uniform([count, 2], seed, -1.0, 1.0), axis=1)
    return _matrix(tf.exp(0.165 * size + 0.04 * aspect), 0.0, 0.0, tf.exp(0.165 * size - 0.04 * aspect))


def _shift(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts by up to 6 % of the width: the locator isn't perfect."""
    right, down = tf.unstack(tf.random.stateless_uniform([count, 2], seed, -0.06, 0.06), axis=1)
    return _matrix(tf.ones_like(right), 0.0, 0.0, tf.ones_like(right), right, down)


def _matrix(*entries: tf.Tensor | float) -> tf.Tensor:
    """The matrices of a move, float32 [count, 3, 3].

    They map a place in the new picture to its place in the old one. Places are measured from the middle, in shares of
    the width.

    Args:
        entries: a, b, c, d, right and down, each [count] or a number.
    """
    a, b, c, d, right, down = (tf.zeros_like(entries[0]) + e for e in (*entries, 0.0, 0.0)[:6])
    rows = tf.stack([a, b, right, c, d, down, tf.zeros_like(a), tf.zeros_like(a), tf.ones_like(a)], axis=1)
    return tf.reshape(rows, [-1, 3, 3])


def _warp(images: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Makes all moves in one step, since each step blurs a little."""
    size = tf.cast(tf.shape(images)[1], tf.float32)
    middle = (size - 1) / 2
    a, b, right, c, d, down = tf.unstack(tf.reshape(matrix[:, :2], [-1, 6]), axis=1)
    x = middle - (a + b) * middle + size * right
    y = middle - (c + d) * middle + size * down
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def _stain(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """A stronger or weaker stain of another tint, in optical density, where stains add up (Beer-Lambert)."""
    normal = tf.random.stateless_normal([tf.shape(images)[0], 1, 1, 4], seed)
    return _light(_density(images) * tf.exp(amount * (0.15 * normal[..., :1] + 0.10 * normal[..., 1:])))


def _mixture(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Dyes of other colours, or a sensor with other filters: a little of each channel's density goes to the others."""
    turned = 0.06 * amount * tf.random.stateless_normal([tf.shape(images)[0], 3, 3], seed) + tf.eye(3)
    turned /= tf.reduce_sum(turned, axis=1, keepdims=True)
    return _light(tf.einsum("nyxc,ncd->nyxd", _density(images), turned))


def _contrast(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """The tone curve of another camera: density is raised to a power near 1."""
    power = tf.exp(0.1 * amount * tf.random.stateless_normal([tf.shape(images)[0], 1, 1, 1], seed))
    return _light(tf.maximum(_density(images), 1e-6) ** power)


def _white_balance(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Another lamp, or a camera with another white balance: one factor for each channel."""
    normal = tf.random.stateless_normal([tf.shape(images)[0], 1, 1, 3], seed)
    return _light(_density(images) + 0.06 * amount * normal)


def _illumination(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """A lamp that is off centre: light falls by up to a fifth from one side to the other."""
    across = tf.linspace(-1.0, 1.0, tf.shape(images)[1])
    slope = tf.random.stateless_uniform([tf.shape(images)[0], 2, 1, 1], seed, -0.1 * amount, 0.1 * amount)
    shade = slope[:, 0] * across[None, None, :] + slope[:, 1] * across[None, :, None]
    return _light(_density(images) + shade[..., None])


def _defocus(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Half the pictures are out of focus: a Gaussian blur with a standard deviation of up to 2 % of the width."""
    count, size = tf.shape(images)[0], images.shape[1]
    width = 0.02 * amount * size
    reach = math.ceil(2.5 * width)
    sigma = tf.maximum(width * tf.random.stateless_uniform([count], seed, -1.0, 1.0), 0.05)
    kernel = tf.exp(-(tf.range(-float(reach), reach + 1.0)[:, None] ** 2) / (2 * sigma**2))  # [taps, count]
    kernel = tf.repeat(kernel / tf.reduce_sum(kernel, axis=0), 3, axis=1)[:, None, :, None]
    # One depthwise convolution for all pictures: each channel of each picture is a channel with a kernel of its own.
    flat = tf.reshape(tf.transpose(images, [1, 2, 0, 3]), [1, size, size, 3 * count])
    flat = tf.pad(flat, [[0, 0], [reach, reach], [reach, reach], [0, 0]], "SYMMETRIC")
    flat = tf.nn.depthwise_conv2d(flat, kernel, [1, 1, 1, 1], "VALID")
    flat = tf.nn.depthwise_conv2d(flat, tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, 1, 1], "VALID")
    return tf.transpose(tf.reshape(flat, [size, size, count, 3]), [2, 0, 1, 3])


def _blur(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Slightly out of focus, or sharpened by the camera.

    Each picture is moved towards a copy with a Gaussian blur of 1.2 pixels (standard deviation), or away from it.
    """
    offsets = tf.range(-4.0, 5.0)
    kernel = tf.exp(-(offsets**2) / (2 * 1.2**2))
    kernel = tf.tile((kernel / tf.reduce_sum(kernel))[:, None, None, None], [1, 1, 3, 1])
    edge = [[0, 0], [4, 4], [4, 4], [0, 0]]
    padded = tf.pad(images, edge, "SYMMETRIC")
    soft = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    soft = tf.nn.depthwise_conv2d(soft, tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, 1, 1], "VALID")
    share = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed, -0.6 * amount, 1.0)
    return tf.clip_by_value(images + share * (soft - images), 0.0, 255.0)


def _noise(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """The noise of a sensor, with a standard deviation of up to 6 levels."""
    one, two = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    level = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], one, 0.0, 6.0 * amount)
    return tf.clip_by_value(images + level * tf.random.stateless_normal(tf.shape(images), two), 0.0, 255.0)


def _jpeg(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Half the pictures are compressed as JPEG of quality 30 to 95."""
    quality = tf.random.stateless_uniform([tf.shape(images)[0]], seed, -35, 96, tf.int32)
    small = tf.cast(tf.round(images), tf.uint8)

    def one(picture: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, q = picture
        coded = lambda: tf.io.decode_jpeg(tf.raw_ops.EncodeJpegVariableQuality(images=image, quality=q), channels=3)  # noqa: E731
        return tf.cond(q >= 30, lambda: tf.ensure_shape(coded(), image.shape), lambda: image)

    return tf.cast(tf.map_fn(one, (small, quality), fn_output_signature=tf.uint8), tf.float32)


def _grey(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Three in ten pictures lose their colours and keep shape and texture; each mixes its channels in its own way."""
    count = tf.shape(images)[0]
    one, two = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    shares = tf.random.stateless_uniform([count, 1, 1, 3], one)
    shares /= tf.reduce_sum(shares, axis=-1, keepdims=True)
    grey = tf.reduce_sum(shares * images, axis=-1, keepdims=True)
    chosen = tf.random.stateless_uniform([count, 1, 1, 1], two) < 0.3
    return tf.where(chosen, tf.broadcast_to(grey, tf.shape(images)), images)


def _density(images: tf.Tensor) -> tf.Tensor:
    return -tf.math.log((images + 1.0) / 256.0)


def _light(density: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(256.0 * tf.exp(-density) - 1.0, 0.0, 255.0)


MOVES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "flip": _flip,
    "rotate": _rotate,
    "scale": _scale,
    "shift": _shift,
}
VIEWS: dict[str, Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]] = {
    "stain": _stain,
    "mixture": _mixture,
    "illumination": _illumination,
    "white-balance": _white_balance,
    "defocus": _defocus,
    "blur": _blur,
    "contrast": _contrast,
    "noise": _noise,
    "jpeg": _jpeg,
    "grey": _grey,
}
_NAMES = (*MOVES, *VIEWS)
# The order of the changes' seeds. A new change goes to the end, so that the others keep theirs.
_NUMBERED = (
    *MOVES,
    "stain",
    "illumination",
    "white-balance",
    "blur",
    "noise",
    "jpeg",
    "mixture",
    "defocus",
    "contrast",
    "grey",
)
RECIPES: dict[str, tuple[str, ...]] = {
    "none": (),
    "geometry": tuple(MOVES),
    "colour": ("stain", "mixture", "illumination", "white-balance", "grey"),
    "camera": ("defocus", "blur", "contrast", "noise", "jpeg"),
    "light": (*MOVES, "stain", "white-balance"),
    "full": _NAMES,
}
