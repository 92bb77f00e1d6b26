"""What another microscope costs: networks on sources that they did not learn from, float and int8."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert import gate
from convert.run import convert
from edge.errors import UserError
from edge.model import Model
from train import data, field_cells, report, run
from train.evaluation import evaluate, intervals, model_card


def cross(folder: Path, runs: Sequence[Path]) -> dict:
    """Folders written by `train` -> {"runs": {name: {"network", "learned": sources, "figures": {source: {"float",
    "int8": train.report.figures()}}, "missed": labelled cells not found, by source}}}.

    Each is measured on the test split of every source and on the labelled cells of marked camera fields, those found by
    the runner's locator; the int8 file, made for this, runs in the runner. Raises UserError for what isn't a run.
    """
    return {"runs": {str(each): _measured(folder, each) for each in runs}}


def _measured(folder: Path, path: Path) -> dict:
    told, model = run.read(path)
    known, labels = told["labels"], data.LABELS
    size, policy = told["size"], told["crop"]["policy"]
    test = [e for e in data.only(run.examples(path, told, folder), "test") if e.label != data.OTHER]
    found = field_cells.read(folder, size, policy, data.LABELS)
    crops = np.concatenate([data.crops(folder, test, size, policy), found.crops])
    truth = np.concatenate([data.targets(test, labels), found.truth])
    sources = np.array([e.source for e in test] + found.sources)
    cells = np.concatenate([intervals.clusters(test), len(test) + np.unique(found.cells, return_inverse=True)[1]])
    with tempfile.TemporaryDirectory() as place:
        try:
            file = convert(path, "int8", Path(place), folder)["path"]
        except gate.NotProven as error:
            raise UserError(f"{path} loses too much as int8; `convert --int8 {path}` says where.") from error
        answers = {"float": run.predict(model, crops, len(known)), "int8": gate.answers(Model(file), crops)}
    if len(known) > len(labels):
        answers = {kind: evaluate.names_only(each) for kind, each in answers.items()}
    learned = told["settings"].get("source")
    return {
        "network": told["network"],
        "learned": [learned] if learned else sorted(told["data"]["counts"]),
        "missed": found.missed,
        "figures": {
            str(source): {
                kind: report.figures(truth[sources == source], p[sources == source], cells[sources == source], labels)
                for kind, p in answers.items()
            }
            for source in dict.fromkeys(sources)
        },
    }


def table(result: dict) -> str:
    """cross()'s figures as a Markdown table, 95 % intervals over physical cells."""
    lines = [
        "| network, learned from | measured on | | monocyte recall | lymphocyte recall | balanced accuracy | AUROC |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in result["runs"].values():
        for source, kinds in each["figures"].items():
            home = " (its own)" if source in each["learned"] else ""
            for kind, f in kinds.items():
                recalls = " | ".join(
                    model_card.share(f["classes"][label]["recall"]) for label in ("monocyte", "lymphocyte")
                )
                others = " | ".join(
                    model_card.value(f.get(name), f["intervals"][name]) for name in ("balanced_accuracy", "auroc")
                )
                what = f"{each['network']}, {' + '.join(each['learned'])}"
                lines.append(f"| {what} | {source}{home} | {kind} | {recalls} | {others} |")
    return "\n".join(lines)
