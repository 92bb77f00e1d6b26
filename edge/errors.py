"""The one kind of error that a user can cause."""

import click


class UserError(click.ClickException):
    """Wrong input, told in one sentence that says what was wrong and what to do; commands exit with 2."""

    exit_code = 2


def reason(error: Exception) -> str:
    """The short cause of an error ("No space left on device"), without number, path and full stop."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].rstrip(". ")
