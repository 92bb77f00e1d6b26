"""`PYTHON peer.py WAY FILE`: classifies pictures in one of the usual ways, for comparison with edge-classify.

The paths of the pictures are read from standard input. One line is printed for each answer. WAY is a key of WAYS. Each
way follows the official example of its library: TensorFlow's label_image (tf.lite in Python), Keras's predict in a
loop, and MediaPipe's ImageClassifier. OpenCV has no such example; its way is what tutorials show. All run on one
thread. None of them locates a cell and names it. PYTHON may belong to another environment, so this file imports nothing
from this project.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def answer(picture: str, label: object) -> None:
    """Writes one answer to standard output, as one line."""
    sys.stdout.write(f"{picture} {label}\n")


def label_image(file: str, pictures: Iterable[str]) -> None:
    """Classifies like tensorflow/lite/examples/python/label_image.py."""
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
    """Classifies like keras.io, "Image classification from scratch": load_img, img_to_array, expand_dims, predict."""
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
    """Classifies like ai.google.dev/edge/mediapipe, "Image classification guide for Python"."""
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


def opencv(file: str, pictures: Iterable[str]) -> None:
    """Finds nuclei as tutorials on blood smears do: a threshold on the colour purple, an opening, contours by area.

    It names no cells, and it needs no network: `file` isn't used.
    """
    import cv2

    cv2.setNumThreads(1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for picture in pictures:
        image = cv2.imread(picture)
        assert image is not None
        hsv = cv2.cvtColor(cv2.GaussianBlur(image, (5, 5), 0), cv2.COLOR_BGR2HSV)
        mask = cv2.morphologyEx(cv2.inRange(hsv, (115, 80, 40), (165, 255, 230)), cv2.MORPH_OPEN, disc, iterations=2)
        contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        answer(picture, sum(cv2.contourArea(each) > mask.size / 500 for each in contours))


WAYS = {"label_image": label_image, "keras": keras, "mediapipe": mediapipe, "opencv": opencv}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], (line.rstrip("\n") for line in sys.stdin))
