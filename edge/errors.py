"""The one kind of error that a user can cause."""

import click


class UserError(click.ClickException):
    """Wrong input, told in one sentence that says what was wrong and what to do; commands exit with 2."""

    exit_code = 2


def reason(error: Exception) -> str:
    """The short cause of an error ("No space left on device"), without number, path and full stop."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].rstrip(". ")


def broken(error: ImportError) -> str:
    """What is wrong with a library, on a line: its name, or the one of what it lacks, among many lines of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if ".so" in line), lines[0] if lines else "unknown")
    return told.removeprefix("Original error was: ").rstrip(".")
