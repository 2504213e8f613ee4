"""A promise that is kept or broken."""


class Violation(BaseException):
    """A promise that was broken; no `except Exception` of the program catches it."""


def hold(what: str, *, is_kept: bool) -> None:
    """Raise Violation with what was found, unless the promise is kept."""
    if not is_kept:
        raise Violation(what)
