"""Instants in the ledger: whole microseconds since 1970, exact in both directions."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an aware instant as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant(at_us: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC instant."""
    return _EPOCH + timedelta(microseconds=at_us)


def instant_or_none(at_us: int | None) -> datetime | None:
    """Return the instant, or None for NULL."""
    return None if at_us is None else instant(at_us)


def micros_of(span: timedelta) -> int:
    """Return a span of time in microseconds."""
    return span // _MICROSECOND


def span_or_none(span_us: int | None) -> timedelta | None:
    """Return microseconds as a span of time, or None for NULL."""
    return None if span_us is None else timedelta(microseconds=span_us)
