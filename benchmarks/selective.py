"""When is a model's answer to be trusted? Stated risks, cells of other types, doubt on microscopes never seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.decide import OTHER, RISK, Rules, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from train import data, field_cells
from train.evaluation import calibration, evaluate, model_card, selective

HOME = "all its own"


def measured(folder: Path, files: Sequence[Path]) -> dict:
    """Model files that know OTHER, on the test split of every source, all types and empty places, and on labelled
    cells of marked fields.

    -> {"models": {name: {"kind", "learned" (sources), "sha256", "sources": {source: {"risks": {risk: selective.figures()},
    "ece" (of names, how sure they are among themselves, and of all answers), "auroc" (OTHER against names), "named"
    (share given a name at RISK, by type)}}}}}. Raises UserError for a file that tells no OTHER.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    return {"models": {str(file): _model(folder, Model(file), file) for file in files}}


def _model(folder: Path, model: Model, file: Path) -> dict:
    if model.labels != (*data.LABELS, OTHER) or not model.risks:
        raise UserError(f"{file} knows no {OTHER}; train with --other kinds, and convert.")
    examples = data.only(data.read(folder, model.labels), "test")
    found = field_cells.read(folder, model.size, model.policy, model.labels)
    crops = [data.crops(folder, examples, model.size, model.policy), found.crops]
    truth = np.concatenate([data.targets(examples, model.labels), found.truth])
    types = np.array([e.kind for e in examples] + found.kinds)
    sources = np.array([e.source for e in examples] + found.sources)
    seen = np.array([model.predict(crop) for each in crops for crop in each], dtype=object)
    source = model.document["training"].get("source")
    learned = [source] if source else sorted(model.document["data"]["counts"])
    groups = {name: sources == name for name in dict.fromkeys(sources.tolist())}
    if len(learned) > 1:
        groups = {HOME: np.isin(sources, learned)} | groups
    return {
        "kind": model.document["quantization"]["kind"],
        "learned": learned,
        "sha256": model.sha256,
        "missed": found.missed,
        "sources": {name: _figures(truth[rows], types[rows], seen[rows], model) for name, rows in groups.items()},
    }


def _figures(truth: np.ndarray, types: np.ndarray, seen: Sequence[Prediction], model: Model) -> dict:
    def told(rules: Rules) -> list[str]:
        return [decide(each.kinds, rules, distance=each.distance).label for each in seen]

    plain = [decide(each.kinds, model.rules(None)).probabilities for each in seen]
    shares = np.array([[each[label] for label in model.labels] for each in plain])
    last = len(model.labels) - 1
    named = truth < last
    given = np.isin(told(model.rules(RISK)), data.LABELS)
    result: dict = {
        "risks": {f"{risk:g}": selective.figures(truth, told(model.rules(risk)), model.labels) for risk in model.risks},
        "plain": selective.figures(truth, told(model.rules(None)), model.labels),
        "ece": {
            "names": calibration.calibration(truth[named], evaluate.names_only(shares[named]))["ece"],
            "answers": calibration.calibration(truth, shares)["ece"],
        },
        "named": {
            str(each): evaluate.share(int(given[types == each].sum()), int((types == each).sum()))
            for each in sorted(set(types[~named]))
        },
    }
    if 0 < named.sum() < len(named):
        result["auroc"] = float(roc_auc_score(~named, shares[:, last]))
    return result


def table(result: dict) -> str:
    """measured()'s figures as Markdown tables."""
    lines = [
        f"| model | measured on | answered at {RISK:.0%} | wrong of these | ECE, names | ECE, answers | other against "
        "names, AUROC |",
        "|---|---|---|---|---|---|---|",
    ]
    named = ["| model | measured on | given a name at " + f"{RISK:.0%} |", "|---|---|---|"]
    for each in result["models"].values():
        what = f"{each['kind']}, {' + '.join(each['learned'])}"
        for source, f in each["sources"].items():
            home = " (its own)" if source in each["learned"] else ""
            at = f["risks"][f"{RISK:g}"]
            lines.append(
                f"| {what} | {source}{home} | {model_card.share(at['coverage'])} | {model_card.share(at['risk'])} "
                f"| {f['ece']['names']:.3f} | {f['ece']['answers']:.3f} | {f.get('auroc', float('nan')):.3f} |"
            )
            kinds = "; ".join(f"{name} {s['right']}/{s['count']}" for name, s in f["named"].items())
            named.append(f"| {what} | {source}{home} | {kinds} |")
    return "\n".join([*lines, "", *named])
