"""Signing a session: a reader says that it is complete, and from then on nothing in it can be changed unseen.

The signature holds a hash of everything in the session. Whoever opens the file later sees whether it still fits. It
says who signed only as far as one trusts who held the file: it is no cryptographic signature of a person.
"""

import hashlib
import json
from dataclasses import dataclass

from edge.count.journal import Journal
from edge.count.outcome import Outcome, outcome
from edge.count.records import Action
from edge.errors import UserError


@dataclass(frozen=True)
class Signature:
    """A valid or broken signature.

    Attributes:
        reader: who signed.
        at: when, seconds since the epoch.
        version: 1, or more after amendments.
        sha256: hash of what was signed.
        replaces: hash of the signed version before; "" for none.
        intact: whether the session is still as it was signed.
    """

    reader: str
    at: float
    version: int
    sha256: str
    replaces: str
    intact: bool


def sign(journal: Journal, reader: str) -> Signature:
    """Signs a session.

    Raises:
        UserError: while cells wait for a person, or if the session is empty or signed already.
    """
    with journal.changing():
        refused = why_not(outcome(journal))
        if refused:
            raise UserError(f"{journal.path} can't be signed yet: {refused}.")
        if not reader.strip():
            raise UserError("Who signs? Give a name with --reader.")
        earlier = journal.actions(kinds=("sign",))
        content = {
            "version": len(earlier) + 1,
            "sha256": _digest(journal, journal.next_action()),
            "replaces": earlier[-1].after["sha256"] if earlier else "",
        }
        journal.add_signature(reader, "sign", content)
    found = signature(journal)
    assert found
    return found


def amend(journal: Journal, reader: str, why: str) -> None:
    """Begins a new version of a signed session, which names the one before.

    Raises:
        UserError: if it isn't signed, or without a reader or a reason.
    """
    with journal.writing():
        signed = journal.signature()
        if not signed:
            raise UserError(f"{journal.path} isn't signed, so it can be changed as it is.")
        if not reader.strip() or not why.strip():
            raise UserError("An amendment needs a name and a reason: give --reader and --why.")
        journal.add_signature(reader, "amend", {"of": signed.after["sha256"], "why": why})


def signature(journal: Journal) -> Signature | None:
    """The signature of a session, checked; None if it isn't signed, or since it is amended."""
    signed = journal.signature()
    if not signed:
        return None
    held = signed.after
    intact = _digest(journal, signed.id) == held["sha256"] and _is_last(journal, signed)
    return Signature(signed.reader, signed.at, held["version"], held["sha256"], held["replaces"], intact)


def altered_pictures(journal: Journal) -> list[int]:
    """The cells whose pictures aren't those that were taken, by their hashes."""
    return [
        cell
        for cell, digest in journal.picture_hashes().items()
        if hashlib.sha256(journal.crop(cell)).hexdigest() != digest
    ]


def why_not(found: Outcome) -> str:
    """Why a session can't be signed, in a clause; "" if it can."""
    waiting = len(found.open)
    if not found.judged:
        return "it holds no cell"
    if waiting:
        return f"{waiting} cell{'' if waiting == 1 else 's'} of it wait{'s' if waiting == 1 else ''} for a person"
    missing = found.settings.readers - len(found.readers)
    if found.settings.readers > 1 and missing > 0:
        return f"{missing} of {found.settings.readers} readers haven't begun"
    return ""


def _digest(journal: Journal, before: int) -> str:
    digest = hashlib.sha256()
    for row in journal.rows(before):
        digest.update(json.dumps(row, ensure_ascii=False).encode())
    return digest.hexdigest()


def _is_last(journal: Journal, signed: Action) -> bool:
    """Whether nothing was added after the signature."""
    return journal.next_action() == signed.id + 1
