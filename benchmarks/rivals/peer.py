"""`PYTHON peer.py WAY FILE`: classifies the pictures that standard input names, as people do it today.

It prints one line for each answer. Each way follows its makers' own example: TensorFlow's label_image (tf.lite in
Python), Keras' predict in a loop, MediaPipe's ImageClassifier. All run on one thread and on whole pictures, since none
of them looks for the cell. This file runs in other environments, so it imports nothing of this project.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def answer(picture: str, label: object) -> None:
    """Writes one line to standard output."""
    sys.stdout.write(f"{picture} {label}\n")


def label_image(file: str, pictures: Iterable[str]) -> None:
    """As tensorflow/lite/examples/python/label_image.py does it."""
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    interpreter = tf.lite.Interpreter(model_content=Path(file).read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    height, width = source["shape"][1:3]
    for picture in pictures:
        image = Image.open(picture).convert("RGB").resize((width, height))
        interpreter.set_tensor(source["index"], np.expand_dims(np.array(image), axis=0))
        interpreter.invoke()
        answer(picture, np.squeeze(interpreter.get_tensor(target["index"])).argmax())


def keras(file: str, pictures: Iterable[str]) -> None:
    """As keras.io, "Image classification from scratch", does it: load_img, img_to_array, expand_dims, predict."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from keras import models, utils

    model = models.load_model(file, compile=False)
    size = model.input_shape[1:3]
    for picture in pictures:
        image = utils.img_to_array(utils.load_img(picture, target_size=size))
        answer(picture, model.predict(image[None], verbose=0).argmax())


def mediapipe(file: str, pictures: Iterable[str]) -> None:
    """As ai.google.dev/edge/mediapipe, "Image classification guide for Python", does it."""
    import mediapipe as mp
    from mediapipe.tasks import python
    from mediapipe.tasks.python import vision

    options = vision.ImageClassifierOptions(
        base_options=python.BaseOptions(model_asset_buffer=Path(file).read_bytes()), max_results=1
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for picture in pictures:
            result = classifier.classify(mp.Image.create_from_file(picture))
            answer(picture, result.classifications[0].categories[0].category_name)


WAYS = {"label_image": label_image, "keras": keras, "mediapipe": mediapipe}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], (line.rstrip("\n") for line in sys.stdin))
