"""The networks. Each takes raw RGB bytes as float32 0..255: its scaling is its own first layer."""

import keras


def baseline(size: int, classes: int) -> keras.Model:
    """The seed project's network: four convolutions alternating with max-pooling, then dense layers with dropout.

    [batch, size, size, 3] float32 in 0..255 -> [batch, classes] float32 probabilities.
    """
    layers = keras.layers
    stack = [keras.Input((size, size, 3)), layers.Rescaling(1 / 255)]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dropout(0.5), layers.Dense(64, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*stack, layers.Dense(classes, activation="softmax")], name="baseline")
