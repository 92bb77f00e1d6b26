"""Files that Keras 2 saved (TensorFlow up to 2.15, or tf_keras), translated for the Keras that reads them here.

Network and weights are the same; only some words of the description have changed.
"""

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

# Settings that layers had without using them, and no longer take.
_KERNEL = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
_UNUSED = {
    "DepthwiseConv2D": ("groups", *_KERNEL),
    "SeparableConv2D": ("groups", *_KERNEL),
    "Conv2DTranspose": ("groups",),
}
_OLD_LAYERS = "_layer_checkpoint_dependencies"  # the group of weights that is now called "layers"


@contextmanager
def translated(file: Path) -> Iterator[Path]:
    """The file itself or, if Keras 2 saved it, a translated copy, which is deleted at the end of the block.

    Raises:
        KeyError, OSError, ValueError, zipfile.BadZipFile: if the file is damaged.
    """
    if not _version(file).startswith("2."):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        copy = Path(folder) / file.name
        if zipfile.is_zipfile(file):
            _translate_zip(file, copy)
        else:
            shutil.copyfile(file, copy)
            with h5py.File(copy, "r+") as opened:
                opened.attrs["model_config"] = json.dumps(_renamed(_now(json.loads(opened.attrs["model_config"]))))
        yield copy


def _version(file: Path) -> str:
    """The version of Keras that saved a file; "" if that isn't known."""
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        with h5py.File(file) as opened:
            return str(opened.attrs["keras_version"]) if "model_config" in opened.attrs else ""
    except (KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile):
        return ""


def _translate_zip(file: Path, copy: Path) -> None:
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        new.writestr("metadata.json", old.read("metadata.json"))
        new.writestr("config.json", json.dumps(_renamed(_now(json.loads(old.read("config.json"))))))
        weights = io.BytesIO(old.read("model.weights.h5"))
        with h5py.File(weights, "r+") as opened:
            _move(opened)
        new.writestr("model.weights.h5", weights.getvalue())


def _move(group: h5py.Group) -> None:
    """Renames the groups of layers, also those of nested networks."""
    if _OLD_LAYERS in group:
        group.move(_OLD_LAYERS, "layers")
    for each in group.values():
        if isinstance(each, h5py.Group):
            _move(each)


def _now(value: Any) -> Any:
    """A part of a network's description in today's words."""
    if isinstance(value, list):
        return [_now(each) for each in value]
    if not isinstance(value, dict):
        return value
    value = {key: _now(each) for key, each in value.items()}
    kind, settings = value.get("class_name"), value.get("config")
    if not isinstance(settings, dict):
        return value
    if kind == "Policy":  # of mixed precision
        return settings.get("name")
    for name in _UNUSED.get(str(kind), ()):
        settings.pop(name, None)
    for name in ("axis",) if kind == "BatchNormalization" else ("input_layers", "output_layers"):
        if isinstance(settings.get(name), list) and len(settings[name]) == 1:  # a list of one, now without the list
            settings[name] = settings[name][0]
    if kind == "Functional" and "module" in value:
        value["module"] = "keras.src.models.functional"
    return value


def _renamed(value: Any) -> Any:
    """The description with layers' names that have no slash, which today's names may not have."""
    names: set[str] = set()

    def collect(part: Any) -> None:
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            collect(each)
        if isinstance(part, dict) and isinstance(name := part.get("name"), str) and "/" in name:
            names.add(name)

    def rename(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: rename(each) for key, each in part.items()}
        if isinstance(part, list):
            return [rename(each) for each in part]
        return part.replace("/", "_") if isinstance(part, str) and part in names else part

    collect(value)
    return rename(value)
