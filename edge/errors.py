"""Errors that a user can cause, and how a command shows them."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from edge.system.streams import printable

P = ParamSpec("P")
R = TypeVar("R")


class UserError(Exception):
    """An error that the user can cause and correct. The message is one sentence: what is wrong and what to do.

    Attributes:
        exit_code: the exit code of the command, 2.
    """

    exit_code = 2

    @property
    def message(self) -> str:
        return str(self)


def exits_on_user_error(command: Callable[P, R]) -> Callable[P, R]:
    """Decorates the function of a command: on a UserError, it prints the sentence on stderr and exits with its code.

    So does it if the memory is full.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            sys.stderr.write(f"Error: {printable(str(error))}\n")
            sys.exit(error.exit_code)
        except Exception as error:
            if not isinstance(error, MemoryError) and "Insufficient memory" not in str(error):  # OpenCV's own error
                raise
            sys.stderr.write("Error: The memory is full; read smaller pictures, or end other programs.\n")
            sys.exit(UserError.exit_code)

    return wrapped


@contextmanager
def writing(target: object) -> Iterator[None]:
    """Turns an OSError while `target` is written, such as a full disk, into a UserError.

    A broken pipe is passed on: the program that read the output, such as `head`, has ended. The command then ends
    without a message.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"Can't write {target}: {reason(error)}.") from error


def must_be_new(path: str | Path) -> None:
    """Raises UserError if there is something at a path that results would overwrite."""
    if os.path.lexists(path):
        raise UserError(f"{path} exists already, and results overwrite nothing; name another file, or remove it.")


def reason(error: Exception) -> str:
    """The short cause of an error ("No space left on device"), without error number, path or full stop."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].rstrip(". ")


def broken(error: ImportError) -> str:
    """What is wrong with a library: the line that names a shared object (.so), else the first line of the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = next((line for line in reversed(lines) if ".so" in line), lines[0] if lines else "unknown")
    return cause.removeprefix("Original error was: ").rstrip(".")
