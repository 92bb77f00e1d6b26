"""Where did the network look? (Grad-CAM: Selvaraju et al., ICCV 2017.)"""

import keras
import numpy as np
import tensorflow as tf


def heat(model: keras.Model, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """What spoke for a class in each picture, float32 [n, size, size] in 0..1, 1 at the picture's own maximum.

    pictures: [n, size, size, 3] in 0..255; classes: int [n], whose evidence is asked for. The maps of the last
    convolution, each weighted with the mean of the gradient of the class's score by it, summed, negative sums put to
    0 (equations 1 and 2), enlarged linearly; all 0 where nothing spoke for the class. None of a network without a
    convolution among its layers.
    """
    scorer = _scorer(model)
    last = [layer for layer in scorer.layers if isinstance(layer, keras.layers.Conv2D)][-1:]
    if not last:
        return None
    probe = keras.Model(scorer.inputs, [last[0].output, scorer.outputs[0]])
    # One by one: the tape keeps every layer's maps, which are 100 MB a picture in a large network.
    return np.array([_heat(probe, pictures[i : i + 1], classes[i]) for i in range(len(pictures))])


def _heat(probe: keras.Model, picture: np.ndarray, label: int) -> np.ndarray:
    """picture [1, size, size, 3] -> [size, size]."""
    image = tf.constant(picture, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(image)  # so that it doesn't matter which layers are frozen
        maps, scores = probe(image, training=False)
        score = scores[0, label]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    spoke = tf.nn.relu(tf.reduce_sum(weights * maps, axis=3, keepdims=True))
    spoke = tf.image.resize(spoke, image.shape[1:3])[0, ..., 0]
    return tf.math.divide_no_nan(spoke, tf.reduce_max(spoke)).numpy()


def _scorer(model: keras.Model) -> keras.Model:
    """A copy that ends before the softmax, as in the paper: a sure answer's probability hardly has a gradient.

    In the copy every layer is called once, so that its output is the one that the scores are made from; a Sequential
    calls all its layers anew with each that is added.
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
