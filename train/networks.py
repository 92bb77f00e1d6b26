"""The networks. Each takes raw RGB levels as float32, 0 to 255; its first layer scales them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras

from edge.errors import UserError

# Mean red, green and blue level of ImageNet's pictures, which VGG16's authors subtracted.
MEANS = (123.68, 116.779, 103.939)
BLOCKS = 5  # blocks of convolutions in VGG16
FEATURES = "features"  # name of the layer whose values a model file outputs besides its answer


def baseline(size: int, classes: int) -> keras.Model:
    """the student project's network: four convolutions alternating with max-pooling, then dense layers with dropout.

    It takes pictures [batch, size, size, 3] and gives probabilities, float32 [batch, classes].
    """
    layers = keras.layers
    stack = [keras.Input((size, size, 3)), layers.Rescaling(1 / 255)]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dropout(0.5), layers.Dense(64, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*stack, layers.Dense(classes, activation="softmax", dtype="float32")], name="baseline")


def vgg16(size: int, classes: int, weights: str | Path | None) -> keras.Model:
    """VGG16 with a new head: [batch, size, size, 3] -> probabilities, float32 [batch, classes].

    The original takes BGR with MEANS subtracted. This one takes raw RGB: its first layer subtracts MEANS, and the
    channels of its first kernel are in the opposite order.

    Args:
        size: width and height of its input in pixels.
        classes: how many classes it tells apart.
        weights: a file of keras.applications.VGG16(include_top=False); "imagenet" downloads it, None starts
            from random weights.

    Raises:
        UserError: if the weights can't be read or downloaded.

    Source: Simonyan and Zisserman, ICLR 2015.
    """
    layers = keras.layers
    body = _body(keras.applications.VGG16, weights, "VGG16", input_shape=(size, size, 3))
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1.0, offset=[-mean for mean in MEANS])(inputs)
    for layer in body.layers[1:]:
        copy = type(layer).from_config(layer.get_config())
        x = copy(x)
        copy.set_weights(layer.get_weights())
        if layer.name == "block1_conv1":
            kernel, bias = layer.get_weights()
            copy.set_weights([kernel[:, :, ::-1], bias])
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dropout(0.5, name="head_dropout")(x)
    x = layers.Dense(256, activation="relu", name="head_dense")(x)
    x = layers.Dropout(0.5, name="head_dropout_2")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="head_answer")(x)
    return keras.Model(inputs, outputs, name="vgg16")


def compact(size: int, classes: int, weights: str | Path | None, norm: str = "frozen", blocks: int = 12) -> keras.Model:
    """The first blocks of MobileNetV2 0.35 with a small head: [batch, size, size, 3] -> probabilities, float32
    [batch, classes].

    Twelve blocks end at 1/16 of the input's resolution.

    Args:
        size: width and height of its input in pixels.
        classes: how many classes it tells apart.
        weights: a file of keras.applications.MobileNetV2(alpha=0.35, include_top=False); "imagenet" downloads it,
            "none" or None starts from random weights.
        norm: as in train.settings.Compact. The converter folds either kind of normalisation into the convolutions.
        blocks: how many blocks are used. Only blocks 2, 4, 5, 7, 8, 9, 11, 12, 14 and 15 can be the last, because they
            add their result to their input.

    Raises:
        UserError: if the weights can't be read or downloaded.

    Source: Sandler et al., CVPR 2018.
    """
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    body = _body(keras.applications.MobileNetV2, weights, "MobileNetV2 0.35", input_tensor=scaled, alpha=0.35)
    if norm != "batch":
        for layer in body.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.trainable = False
    x = body.get_layer(f"block_{blocks}_add").output
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dropout(0.3, name="head_dropout")(x)
    x = layers.Dense(48, activation="relu", name=FEATURES)(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="head_answer")(x)
    return keras.Model(inputs, outputs, name="compact")


def _body(make: Callable[..., keras.Model], weights: str | Path | None, name: str, **options: object) -> keras.Model:
    """A network of keras.applications without its top. Raises UserError if its weights can't be read or downloaded."""
    chosen = None if weights in (None, "none") else str(weights)
    if chosen not in (None, "imagenet") and not Path(str(chosen)).is_file():
        raise UserError(
            f"{weights} is not a file; give --weights a file of {name}'s weights without its top layers, or leave "
            "--weights out to download them."
        )
    try:
        return make(include_top=False, weights=chosen, **options)
    except Exception as error:  # Keras passes on whatever its downloader and h5py raise
        raise UserError(
            f"{name}'s weights can't be read or downloaded ({str(error).splitlines()[0]}); "
            "name a file with --weights FILE."
        ) from error


def weights_hash(model: keras.Model) -> str:
    """sha256 over all weights of a network."""
    total = hashlib.sha256()
    for weight in model.get_weights():
        total.update(weight.tobytes())
    return total.hexdigest()


def divide(model: keras.Model, unfreeze: int) -> tuple[keras.Model, keras.Model]:
    """Divides a network of `vgg16` into a frozen part and a part that learns.

    Both parts share their layers with the whole network, so it changes as the second part learns.

    Args:
        model: the whole network.
        unfreeze: how many of the last blocks learn, 0 to 4.
    """
    place = model.layers.index(model.get_layer(f"block{BLOCKS - unfreeze}_pool"))
    frozen = keras.Model(model.inputs, model.layers[place].output, name="frozen")
    frozen.trainable = False
    inputs = keras.Input(frozen.output.shape[1:])
    x = inputs
    for layer in model.layers[place + 1 :]:
        x = layer(x)
    return frozen, keras.Model(inputs, x, name="tail")
