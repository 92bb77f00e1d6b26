"""What people call the classes of white cells, in folders and tables -> this project's labels."""

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping

from edge.errors import UserError

# The usual names of the five types, without a plural s. The two-letter ones are those of PBC (Acevedo et al., 2020).
_NAMES = {
    name: label
    for label, names in {
        "lymphocyte": "lymphocyte lymphozyt lymphozyten lymph lympho lym ly",
        "monocyte": "monocyte monozyt monozyten mono mon mo",
        "neutrophil": "neutrophil neutro neut neu ne",
        "eosinophil": "eosinophil eosino eosin eos eo",
        "basophil": "basophil baso bas ba",
    }.items()
    for name in names.split()
}
# Other cells whose names resemble "lymphocyte" or "monocyte".
_OTHERS = {"lymphoblast", "prolymphocyte", "monoblast", "promonocyte"}
_SHORT, _CODE = 2, 3  # letters: of the shortest names, and of codes such as LYT and MOB (Matek et al., 2019)
_ALIKE = 0.8  # difflib's ratio from which on a name may be a misspelt one: "lymphocite" has 0.9, "basophil" 0.2


def label(name: str) -> str:
    """The label that a class name means: "Lymphocytes", "LYM" and "LY" are lymphocyte; "Blasts" is "blast"."""
    one = " ".join(name.lower().split()).removesuffix("s")
    return _NAMES.get(_letters(one), one)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name)


def are_classes(names: Iterable[str]) -> bool:
    """Whether these names of folders are classes: one is a usual type of white cell, or two by their short names."""
    names = list(names)
    usual = set(_NAMES.values())
    if any(label(name) in usual and len(name) > _SHORT for name in names):
        return True
    return {"lymphocyte", "monocyte"} <= {label(name) for name in names}  # one alone may be a person's initials


def guess(name: str) -> str | None:
    """The label that a class name perhaps means, such as lymphocyte for "lymphocites 2"; None where it's no guess."""
    plain = label(name)
    letters = _letters(plain)
    if plain in _NAMES.values() or letters in _OTHERS:
        return None
    for one, part in (("lymphocyte", "lymph"), ("monocyte", "monoc")):
        short = len(letters) <= _CODE and (letters == one[0] or letters.startswith(one[:2]))
        if part in letters or short or difflib.SequenceMatcher(None, letters, one).ratio() >= _ALIKE:
            return one
    return None


def mapping(names: Iterable[str], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """The label of each class name.

    Args:
        names: as folders or a table have them.
        said: labels by class name, as the user gave them with --label.

    Raises:
        UserError: for a name whose meaning would be a guess, and for one in `said` that isn't among `names`.
    """
    names = list(dict.fromkeys(names))
    answers = {label(name): meant for name, meant in (said or {}).items()}  # also for the name in capitals
    for name in said or ():
        if label(name) not in map(label, names):
            raise UserError(f"There is no class {name!r}; the classes are: {', '.join(names) or 'none'}.")
    meant = {name: label(answers.get(label(name), name)) for name in names}
    for name, each in meant.items():
        if one := guess(each):
            raise UserError(
                f"The class {name!r} may be {one} or not; say --label {shlex.quote(f'{name}={one}')}, or =other."
            )
    return meant


def told(meant: Mapping[str, str]) -> list[str]:
    """A line for each label with another name than its own: "Taken as lymphocyte: LY". meant: from `mapping`."""
    names: dict[str, list[str]] = {}
    for name, each in meant.items():
        if name.lower().removesuffix("s") != each:
            names.setdefault(each, []).append(name)
    return [f"Taken as {each}: {', '.join(sorted(written))}" for each, written in sorted(names.items())]


def options(given: Iterable[str]) -> dict[str, str]:
    """The NAME=LABEL of --label options as a dictionary. Raises UserError for what isn't of that form."""
    pairs = [text.rpartition("=") for text in given]
    for text, (name, _, meant) in zip(given, pairs, strict=True):
        if not name or not meant.strip():
            raise UserError(f"--label {text!r} isn't of the form NAME=LABEL, such as --label LYMPH_A=lymphocyte.")
    return {name: meant for name, _, meant in pairs}
