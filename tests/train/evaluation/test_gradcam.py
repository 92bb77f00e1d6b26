"""Grad-CAM on networks whose weights say where it must look."""

import numpy as np
import pytest


@pytest.mark.parametrize("head", ["dense", "softmax", "activation"])
@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_heat_lies_where_the_signal_is(kind: str, head: str) -> None:
    """The network calls bright places a monocyte, so confidently that its probabilities have no gradient left."""
    import keras

    from train.evaluation import gradcam

    layers = keras.layers
    tail = {
        "dense": [layers.Dense(2, activation="softmax")],
        "softmax": [layers.Dense(2), layers.Softmax()],
        "activation": [layers.Dense(2), layers.Activation("softmax")],
    }[head]
    conv = layers.Conv2D(1, 3, padding="same", activation="relu")
    body = [layers.Rescaling(1 / 255), conv, layers.MaxPooling2D(), layers.GlobalAveragePooling2D(), *tail]
    image = keras.Input((32, 32, 3))
    if kind == "sequential":
        model = keras.Sequential([image, *body])
    else:
        answer = image
        for layer in body:
            answer = layer(answer)
        model = keras.Model(image, answer)
    conv.set_weights([np.full((3, 3, 3, 1), 1 / 27), np.zeros(1)])
    tail[0].set_weights([np.array([[-1e5, 1e5]]), np.zeros(2)])
    model.trainable = False  # as transferred layers are

    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[0, 4:9, 20:25] = 200
    assert (model.predict(picture.astype(np.float32), verbose=0) == [[0, 1]]).all()
    heat = gradcam.heat(model, np.repeat(picture, 2, axis=0), np.array([1, 0]))
    assert heat is not None and heat.shape == (2, 32, 32) and heat.max() == 1
    assert heat[0, 5:8, 21:24].min() == pytest.approx(1)
    assert heat[0].sum() == heat[0, 3:10, 19:26].sum()
    assert not heat[1].any()  # nothing supports a lymphocyte


def test_heat_needs_a_convolution() -> None:
    import keras

    from train.evaluation import gradcam

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    assert gradcam.heat(model, np.zeros((1, 8, 8, 3)), np.array([0])) is None
