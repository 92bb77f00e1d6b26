"""Trains on one source of the data and tests on the others: what to expect on another microscope."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edge.errors import UserError, reason
from edge.system.progress import Progress, silent
from train import experiment
from train.compact import compact
from train.data import dataset
from train.settings import Compact, Settings, Transfer
from train.transfer import transfer

logger = logging.getLogger(__name__)


def cross(
    folder: Path,
    out: Path,
    networks: Mapping[str, Settings],
    options: Mapping[str, Transfer | Compact],
    together: bool = True,
    progress: Progress = silent,
) -> list[Path]:
    """Trains each network on each source of the data alone, and on all sources together.

    A finished run is not trained again. A run that was stopped is continued.

    Args:
        folder: the data folder; it holds at least two sources.
        out: the runs are written to folders below it: NETWORK-SOURCE, and NETWORK for all sources.
        networks: the networks to train, "baseline", "transfer" or "compact", with their settings.
        options: the further settings of "transfer" and "compact".
        together: whether to train on all sources together, too. Only marked camera fields then show how the network
            does on another microscope.
        progress: see edge.system.progress.

    Returns:
        The folders of the runs.

    Raises:
        UserError: if the data has only one source, or a folder holds a run with other settings.
    """
    sources = sorted({e.source for e in dataset.read(folder)})
    if len(sources) < 2:
        raise UserError(f"{folder} holds only one source ({sources[0]}); a second one is needed to test on.")
    runs = []
    for network, settings in networks.items():
        for source in [*sources, None] if together else sources:
            run, of_source = out / (f"{network}-{source}" if source else network), replace(settings, source=source)
            runs.append(run)
            if _finished(run, of_source):
                logger.info("%s is finished already.", run)
            elif isinstance(more := options.get(network), Transfer):
                transfer(folder, run, of_source, more, resume=True, progress=progress)
            elif isinstance(more, Compact):
                compact(folder, run, of_source, more, resume=True, progress=progress)
            else:
                experiment.baseline(folder, run, of_source, resume=True, progress=progress)
    return runs


def _finished(run: Path, settings: Settings) -> bool:
    """Whether a run with these settings is finished there. Raises UserError if it has other settings or is damaged."""
    if not (run / "run.json").exists():
        return False
    try:
        report = json.loads((run / "run.json").read_text())
        then = {"without": None, "fields": None} | report["settings"]  # older versions wrote no such keys
        same = all(then[name] == value for name, value in vars(settings).items())
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else "its run.json is damaged"
        raise UserError(f"{run} can't be used ({why}); delete it or name another folder.") from error
    if not same:
        raise UserError(f"{run} was trained with other settings; name another folder.")
    return bool(report["finished"])
