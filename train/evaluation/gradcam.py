"""Grad-CAM: where did the network look?

Source: Selvaraju et al., ICCV 2017.
"""

import keras
import numpy as np
import tensorflow as tf


def heat(model: keras.Model, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """How much each place of each picture supports a class, float32 [n, size, size], 0 to 1.

    Args:
        model: the network.
        pictures: RGB [n, size, size, 3], 0 to 255.
        classes: for each picture the index of that class, int [n].

    Returns:
        Heat, 1 at each picture's own maximum, or all 0 if nothing supports the class. None if the network has no
        convolution among its layers.

    Each map of the last convolution is weighted with the mean gradient of the class's score with respect to it. The
    weighted maps are summed, negative sums are set to 0 (equations 1 and 2), and the result is enlarged linearly.
    """
    scorer = _scorer(model)
    last = [layer for layer in scorer.layers if isinstance(layer, keras.layers.Conv2D)][-1:]
    if not last:
        return None
    probe = keras.Model(scorer.inputs, [last[0].output, scorer.outputs[0]])
    # One picture at a time: the tape keeps the maps of every layer, 100 MB a picture in a large network.
    return np.array([_heat(probe, pictures[i : i + 1], classes[i]) for i in range(len(pictures))])


def _heat(probe: keras.Model, picture: np.ndarray, label: int) -> np.ndarray:
    """The heat of one picture, [1, size, size, 3] -> float32 [size, size]."""
    image = tf.constant(picture, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(image)  # gradients then pass frozen layers, too
        maps, scores = probe(image, training=False)
        score = scores[0, label]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * maps, axis=3, keepdims=True))
    evidence = tf.image.resize(evidence, image.shape[1:3])[0, ..., 0]
    return tf.math.divide_no_nan(evidence, tf.reduce_max(evidence)).numpy()


def _scorer(model: keras.Model) -> keras.Model:
    """A copy that ends before the softmax, as in the paper: a confident answer's probability has hardly any gradient.

    In the copy every layer is called exactly once, so that its output is the one that the scores are made from. A
    Sequential model calls all its layers again for each layer that is added.
    """
    head = model.layers[-1]

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        settings = layer.get_config()
        if layer is head and settings.get("activation") == "softmax":
            settings["activation"] = "linear"
        return type(layer).from_config(settings)

    graph = keras.Model(model.inputs, model.outputs)
    scorer = keras.models.clone_model(graph, clone_function=copy)
    scorer.set_weights(graph.get_weights())
    if isinstance(scorer.layers[-1], keras.layers.Softmax):
        return keras.Model(scorer.inputs, scorer.layers[-1].input)
    return scorer
