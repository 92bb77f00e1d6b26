"""How right is each model file, through the runner, on the same pictures?"""

from collections.abc import Sequence
from pathlib import Path

from convert import gate
from edge import model
from train import data, evaluate


def accuracy(folder: Path, files: Sequence[Path], split: str) -> dict:
    """Each file over one split of a data folder -> {"split", "split_sha256", "models": {file name: figures}}.

    Figures are train.evaluate.by_source()'s, with the file's sha256. Raises UserError for a folder or file that can't
    be used.
    """
    examples = data.read(folder)
    chosen = data.only(examples, split)
    models = {}
    for file in files:
        opened = model.Model(file)
        crops = data.crops(folder, chosen, opened.size, opened.policy)
        truth = data.targets(chosen, opened.labels)
        figures = evaluate.by_source(truth, gate.answers(opened, crops), [e.source for e in chosen], opened.labels)
        models[file.stem] = {"sha256": opened.sha256, "by_source": figures}
    return {"split": split, "split_sha256": data.split_hash(examples), "models": models}


def table(result: dict) -> str:
    return "\n\n".join(f"{name}\n{evaluate.table(found['by_source'])}" for name, found in result["models"].items())
