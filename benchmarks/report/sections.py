"""Turns the results in a document into dataclasses, for the page and for the documentation's tables."""

from typing import Any

from benchmarks import latency
from benchmarks.accuracy import Accuracy
from benchmarks.report.result import Document
from benchmarks.rivals.peers import Peers
from benchmarks.rivals.runtimes import Runtimes
from benchmarks.robustness import Robustness
from edge import contract
from edge.errors import UserError

_KINDS = {"accuracy": Accuracy, "robustness": Robustness, "runtimes": Runtimes, "peers": Peers}


def section(document: Document, name: str) -> Any:
    """One result of a document: an Accuracy, Latency, Robustness, Runtimes or Peers.

    Args:
        document: the document.
        name: "accuracy", "latency", "robustness", "runtimes" or "peers".

    Raises:
        UserError: if the result isn't in the form that this version can read.
    """
    found = document.results[name]
    try:
        return latency.load(found) if name == "latency" else contract.load(_KINDS[name], found)
    except (ValueError, KeyError) as error:
        raise UserError(f"The {name} of `{document.command}` can't be read ({error}); measure it again.") from error
