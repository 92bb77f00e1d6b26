"""What `edge-doctor` says of one thing."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["fine", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """name: of what; state; sentence: what was found; remedy: what to do, empty where nothing need be done."""

    name: str
    state: State
    sentence: str
    remedy: str = ""

    def row(self) -> dict[str, str]:
        return asdict(self)


def worst(findings: list[Finding]) -> State:
    """ "bad" before "warn" before "fine"."""
    states = {finding.state for finding in findings}
    return "bad" if "bad" in states else "warn" if "warn" in states else "fine"
