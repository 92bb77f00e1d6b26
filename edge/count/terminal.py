"""`edge-count review`: a person judges cells at the terminal, one key a cell."""

import io
import os
import re
import select
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from PIL import Image, ImageDraw

from edge.count.blocks import blocks
from edge.count.outcome import expected_error, has_last_word, must_judge, outcome
from edge.count.records import CountedCell
from edge.count.review import Review
from edge.count.verdicts import LONGEST_NOTE, Verdict
from edge.errors import UserError
from edge.system.streams import printable

_BESIDE = 34  # columns of the text beside the picture
_SHOWN = 0.66  # share of a cell's picture that is shown: the cell and what touches it
_ESCAPES = {"[D": "left", "[C": "right", "OD": "left", "OC": "right"}
_HELP = "Arrows: other cell. u: undo. r: redo. n: note. f: field. q: end."

Keys = Iterator[str]
"""Gives the keys that a person presses: a character, "left", "right", "escape", or a line after a call of `ask`."""


class Screen:
    """Shows cells and takes keys. What a key says is on the disk before the next cell is shown."""

    def __init__(self, review: Review, keys: Mapping[str, str], write: Callable[[str], object]) -> None:
        """keys: verdict by key. write: shows text on the terminal."""
        self._review, self._keys, self._write = review, keys, write
        self._field, self._message = False, ""
        self._has_last_word = has_last_word(outcome(review.journal), review.reader)
        self.judged = 0  # verdicts given, without those that were undone

    def run(self, pressed: Keys, everything: bool = False) -> None:
        """Shows one cell after another until all are judged or the person ends it.

        Args:
            pressed: the keys.
            everything: whether cells are shown that needn't be judged, too.
        """
        at, queue = 0, self._queue(everything)
        while at < len(queue):
            cell = queue[at]
            self._show(cell, at, len(queue))
            key = next(pressed, "q")
            self._message = ""
            if key in ("q", "escape", "\x03", "\x04"):
                break
            if key == "left":
                at = max(0, at - 1)
            elif key == "right":
                at = min(len(queue) - 1, at + 1)
            elif key == "f":
                self._field = not self._field
            elif key in ("u", "\x7f", "\b", "r"):
                at = self._undo(key, queue, at)
            elif key == "n":
                self._note(cell, pressed)
            elif key in self._keys:
                self._review.judge([cell.id], Verdict(self._keys[key]))
                self.judged += 1
                self._message = f"Cell {cell.id}: {self._keys[key]}."
                at += 1
            elif key == "?":
                self._message = _HELP
            elif key != " ":
                self._message = f"{key!r} is no key. {_HELP}"
            if at >= len(queue):  # others may have come: the camera may still count
                new = [each for each in self._queue(everything) if each.id not in {one.id for one in queue}]
                queue += new

    def _queue(self, everything: bool) -> list[CountedCell]:
        found = outcome(self._review.journal)
        waiting = must_judge(found, self._review.reader)
        if not everything:
            return waiting
        rest = {each.cell.id: each.cell for each in found.judged} | {cell.id: cell for cell in waiting}
        return sorted(rest.values(), key=lambda cell: (-expected_error(cell), cell.id))

    def _undo(self, key: str, queue: Sequence[CountedCell], at: int) -> int:
        """Undoes or redoes a step, and returns which cell to show next."""
        changed = self._review.redo() if key == "r" else self._review.undo()
        what = "redo" if key == "r" else "undo"
        if not changed:
            self._message = f"Nothing to {what}."
            return at
        self.judged += len(changed) if key == "r" else -len(changed)
        numbers = ", ".join(map(str, changed))
        self._message = f"{what.capitalize()}: cell{'' if len(changed) == 1 else 's'} {numbers}."
        places = [place for place, cell in enumerate(queue) if cell.id in changed]
        if not places:
            return at
        return places[0] if key != "r" else min(places[0] + 1, len(queue) - 1)

    def _note(self, cell: CountedCell, pressed: Keys) -> None:
        """Adds a note to what the reader says about a cell; without a verdict it is `other`."""
        self._write("\r\nWhat is it? (empty: no note) ")
        text = ""
        for key in pressed:
            if key in ("\r", "\n", "escape"):
                break
            if key in ("\x7f", "\b"):
                text = text[:-1]
                self._write("\b \b")
            elif key.isprintable() and len(key) == 1 and len(text) < LONGEST_NOTE:
                text += key
                self._write(key)
        mine = self._review.journal.said_of(cell.id).get(self._review.reader)
        if text.strip():
            self._review.judge([cell.id], Verdict(mine.kind if mine else "other", text.strip()))
            self.judged += mine is None
            self._message = f"Cell {cell.id}: {mine.kind if mine else 'other'} ({text.strip()})."

    def _show(self, cell: CountedCell, at: int, count: int) -> None:
        columns, rows = shutil.get_terminal_size()
        beside = self._text(cell, at, count)
        picture = self._picture(cell)
        lines = blocks(picture, max(10, columns - _BESIDE), max(6, rows - 2))
        height = max(len(lines), len(beside))
        width = max((len(_plain(line)) for line in lines), default=0)
        lines += [" " * width] * (height - len(lines))
        beside += [""] * (height - len(beside))
        body = "\r\n".join(f"{line}  {text[: columns - width - 3]}" for line, text in zip(lines, beside, strict=True))
        self._write(f"\x1b[2J\x1b[H{body}\r\n{printable(self._message)[: columns - 1]}")

    def _picture(self, cell: CountedCell) -> Image.Image:
        """The cell, or its field with a box around the cell."""
        journal = self._review.journal
        field = journal.field_picture(cell.field) if self._field else None
        with Image.open(io.BytesIO(field or journal.crop(cell.id))) as opened:
            picture = opened.convert("RGB")
        if field:
            scale = picture.width / journal.field(cell.field).width
            left, top, width, height = (round(scale * each) for each in cell.box)
            ImageDraw.Draw(picture).rectangle((left, top, left + width, top + height), outline="yellow", width=6)
            return picture
        margin = round((1 - _SHOWN) / 2 * picture.width)
        return picture.crop((margin, margin, picture.width - margin, picture.height - margin))

    def _text(self, cell: CountedCell, at: int, count: int) -> list[str]:
        settings, said = self._review.journal.settings, self._review.journal.said_of(cell.id)
        lines = [f"Cell {cell.id}: {at + 1} of {count}", ""]
        if cell.added:
            lines += ["Added by a person."]
        elif not settings.blind:
            lines += [f"The program: {cell.answer}"]
            lines += [f"  {line}" for line in _wrapped(cell.reason)]
            lines += [f"  {label:12}{value:6.3f}" for label, value in cell.probabilities.items()]
        if self._has_last_word:
            lines += [f"{name}: {verdict}" for name, verdict in said.items() if name != self._review.reader]
        lines += ["", f"You: {said.get(self._review.reader, '-')}", ""]
        lines += [f"{key}  {verdict}" for key, verdict in self._keys.items()]
        return [printable(line) for line in [*lines, "", "u undo   r redo   n note", "f field  ? help  q end"]]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _BESIDE - 4)


def _plain(line: str) -> str:
    """A line without its escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """The keys that are pressed at the terminal; restores the terminal afterwards.

    Raises:
        UserError: where standard input or output is no terminal.
    """
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("A review needs a terminal: standard input or output is none.")
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\x1b[0m\r\n")
        sys.stdout.flush()


def _keys(descriptor: int) -> Keys:
    """Reads keys from a terminal. An escape sequence is one key; it comes all at once."""
    while data := os.read(descriptor, 64):
        text = data.decode(errors="ignore")
        while text:
            if text[0] != "\x1b":
                yield text[0]
                text = text[1:]
            elif len(text) == 1 and not select.select([descriptor], [], [], 0.02)[0]:
                yield "escape"
                text = ""
            else:
                text += os.read(descriptor, 64).decode(errors="ignore") if len(text) == 1 else ""
                yield _ESCAPES.get(text[1:3], "unknown key")
                text = text[3:]
