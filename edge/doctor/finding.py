"""What `edge-doctor` finds out about one thing."""

from dataclasses import asdict, dataclass
from typing import Literal

SCHEMA = "edge-doctor/findings/1"  # of `edge-doctor --json`; its form is edge/schema/doctor.schema.json
State = Literal["fine", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing.

    Attributes:
        name: what was examined, such as "camera".
        state: "fine"; "warn" where it deserves a look; "bad" where it must be repaired first.
        sentence: what was found.
        remedy: what to do, as a part of a sentence; "" where nothing needs to be done.
    """

    name: str
    state: State
    sentence: str
    remedy: str = ""

    def row(self) -> dict[str, str]:
        """The finding as a JSON object."""
        return asdict(self)


def worst(findings: list[Finding]) -> State:
    """The worst state among the findings; "fine" where there are none."""
    states = {finding.state for finding in findings}
    return "bad" if "bad" in states else "warn" if "warn" in states else "fine"
