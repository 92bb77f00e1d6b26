"""Trained on one source, tested on the others: the figure that users meet in life."""

import json
from dataclasses import replace
from pathlib import Path

import click

from edge.errors import UserError, reason
from train import experiment
from train.compact import compact
from train.data import dataset
from train.settings import Compact, Settings, Transfer
from train.transfer import transfer


def cross(
    folder: Path, out: Path, networks: dict[str, Settings], more: dict[str, Transfer | Compact], whole: bool = True
) -> list[Path]:
    """Trains each network ("baseline", "transfer", "compact") on each source of the data alone and, if `whole`, on all,
    which marked camera fields measure -> the runs' folders, below `out`: NETWORK-SOURCE, and NETWORK for all.

    more: what transfer and compact need besides. A run that is finished is taken as it is, one that was stopped goes
    on. Raises UserError where there is one source.
    """
    sources = sorted({e.source for e in dataset.read(folder)})
    if len(sources) < 2:
        raise UserError(f"{folder} holds one source ({sources[0]}); two are needed to test across.")
    runs = []
    for network, settings in networks.items():
        for source in [*sources, *([None] if whole else [])]:
            run, chosen = out / (f"{network}-{source}" if source else network), replace(settings, source=source)
            runs.append(run)
            if _finished(run, chosen):
                click.echo(f"{run} is there already.", err=True)
            elif isinstance(options := more.get(network), Transfer):
                transfer(folder, run, chosen, options, resume=True)
            elif isinstance(options, Compact):
                compact(folder, run, chosen, options, resume=True)
            else:
                experiment.baseline(folder, run, chosen, resume=True)
    return runs


def _finished(run: Path, settings: Settings) -> bool:
    if not (run / "run.json").exists():
        return False
    try:
        report = json.loads((run / "run.json").read_text())
        same = all(report["settings"][name] == value for name, value in vars(settings).items())
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else "its run.json is damaged"
        raise UserError(f"{run} can't be used ({why}); delete it or name another folder.") from error
    if not same:
        raise UserError(f"{run} was trained with other settings; name another folder.")
    return bool(report["finished"])
