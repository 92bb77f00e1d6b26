"""How right is each model file, through the runner, on the same pictures, and how fast beside the others?"""

from collections.abc import Sequence
from pathlib import Path

from convert import gate
from edge import model
from train import data, evaluate


def accuracy(folder: Path, files: Sequence[Path], split: str) -> dict:
    """Each file over one split of a data folder -> {"split", "split_sha256", "models": {file name: figures}}.

    Figures are train.evaluate.by_source()'s, with the file's sha256 and size, and the median milliseconds of the model
    alone, one thread; they take turns. Raises UserError for a folder or file that can't be used.
    """
    examples = data.read(folder)
    chosen = data.only(examples, split)
    opened = {file: model.Model(file) for file in files}
    runners = [(each, data.crops(folder, chosen, each.size, each.policy)) for each in opened.values()]
    sources = [e.source for e in chosen]
    models = {}
    for file, (answers, milliseconds) in zip(files, gate.race(runners), strict=True):
        truth = data.targets(chosen, opened[file].labels)
        models[file.stem] = {
            "sha256": opened[file].sha256,
            "bytes": file.stat().st_size,
            "milliseconds": milliseconds,
            "by_source": evaluate.by_source(truth, answers, sources, opened[file].labels),
        }
    return {"split": split, "split_sha256": data.split_hash(examples), "models": models}


def table(result: dict) -> str:
    return "\n\n".join(
        f"{name}: {found['bytes'] / 1e3:.0f} kB, {found['milliseconds']:.3f} ms a picture, the model alone\n"
        + evaluate.table(found["by_source"])
        for name, found in result["models"].items()
    )
