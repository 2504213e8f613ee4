"""Types of the configuration's values: each checks a value and brings the value into one form."""

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
)

from dca_bot.core.internet import is_loopback
from dca_bot.core.money import SAT_MAX, checked_currency
from dca_bot.core.offsite import parse_ssh
from dca_bot.errors import DcaBotError

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9a-f:.]+")
_FIRST_BLOCK, _FAR = datetime(2009, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_NOT_OF_HOST = re.compile(r"[\s/@\[\]]")
_NIP05 = re.compile(r"[a-z0-9._-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_LUD16 = re.compile(r"[a-z0-9._+-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?")


class Access(Enum):
    """Who may read a file that the configuration names."""

    OWNER = auto()
    ANYBODY = auto()


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one like America/Guatemala") from None
    return name


def _relay_url(url: str) -> str:
    if _parts(url, "wss", "ws") is None:
        shown = url.partition("?")[0]
        raise ValueError(f"{shown!r} is no relay; write one like wss://relay.example.com")
    return url


def each_relay_once(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out repeated relays; a slash at the end makes no difference."""
    first: dict[str, str] = {}
    for url in urls:
        scheme, host, *rest = urlsplit(url.rstrip("/"))
        first.setdefault(urlunsplit((scheme, host.lower(), *rest)), url)
    return tuple(first.values())


def _http_url_or_none(url: str) -> str:
    """Check the URL of a server; an empty text stands for none."""
    return _http_url(url) if url else ""


def _http_url(url: str) -> str:
    parts = _parts(url, "https", "http")
    if parts is None:
        raise ValueError(f"{url!r} is no web address; write one like https://server.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is a page of it; write {parts.scheme}://{parts.netloc} only")
    return url.rstrip("/")


def _page_url(url: str) -> str:
    """Check the URL of a page or picture; an empty text stands for none."""
    if url and (_parts(url, "https", "http") is None or not url.isascii()):
        raise ValueError(f"{url!r} is no web address; write one like https://example.com/bot.png")
    return url


def _nip05(text: str) -> str:
    """Check the shape of an internet identifier (NIP-05); an empty text stands for none."""
    if text and not _NIP05.fullmatch(text):
        raise ValueError(
            f"{text!r} is no NIP-05 name; write one in small letters, like bot@example.com or"
            " _@example.com"
        )
    return text


def _lud16(text: str) -> str:
    """Check the shape of a Lightning address (LUD-16); an empty text stands for none."""
    if text and not _LUD16.fullmatch(text):
        raise ValueError(
            f"{text!r} is no Lightning address; write one in small letters, like bot@example.com"
        )
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a line break or another character in it that can't be shown")
    return text


def _ssh_host(host: str) -> str:
    """Check a host name or address without a port: one colon begins a port, several are an IPv6 address."""
    if not host or host.count(":") == 1 or _NOT_OF_HOST.search(host):
        raise ValueError(
            f"{host!r} is no host; write the name or address only, like lamassu.example.com: port and"
            " username are keys of their own"
        )
    return host


def is_web_address(text: str) -> bool:
    """Tell whether a connection could be made to a URL of the web."""
    return _parts(text, "https", "http") is not None


def _parts(url: str, *schemes: str) -> SplitResult | None:
    """Split a URL; None if no connection could ever be made to the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for a broken port
    except ValueError:
        return None
    is_host = _HOST.fullmatch(parts.hostname or "") is not None
    is_sound = url.isprintable() and " " not in url and "@" not in parts.netloc
    return parts if parts.scheme in schemes and is_host and is_sound else None


def _since_bitcoin(at: datetime) -> datetime:
    if not _FIRST_BLOCK <= at < _FAR:
        raise ValueError("lies before 2009 or after 2100; look at the year")
    return at


def _time_of_day(value: object) -> time:
    """Read a time of day, TOML's own or a text; seconds are refused, lest a time have two names."""
    text = value.isoformat().removesuffix(":00") if isinstance(value, time) else value
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; write one like 09:00")
    return time.fromisoformat(text)


def each_once(times: tuple[time, ...]) -> tuple[time, ...]:
    """Sort times of day; raise ValueError for a time that stands there twice."""
    if len(set(times)) < len(times):
        raise ValueError("a time stands there twice")
    return tuple(sorted(times))


def _plain_path(path: Path) -> Path:
    """Raise ValueError for `~` and `$`, which only a shell replaces: a folder of that name would be made."""
    if "\0" in str(path):
        raise ValueError("has a character in it that no path can have")
    if str(path).startswith(("~", "$")):
        raise ValueError(f"{str(path)!r} is taken as it is written; write the whole path, from /")
    return path


def _copy_place(text: str) -> str:
    """Check a place for copies: a folder, or a folder on an SSH server."""
    scheme, separator, _ = text.partition("://")
    if scheme in ("http", "https") and separator:
        return _http_url(text)
    if separator and scheme != "ssh":
        raise ValueError(
            f"{scheme}:// is no place that copies are sent to; write a folder like /mnt/usb/dca-bot, or"
            " ssh://user@host/folder, or a Blossom server like https://blossom.example.com"
        )
    if not separator:
        if not text:
            raise ValueError("is empty; write a folder like /mnt/usb/dca-bot")
        return str(_plain_path(Path(text)))
    try:
        _ssh_host(parse_ssh(text).host)
    except ValueError as error:
        raise ValueError(f"{text.partition('?')[0]!r}: {error}") from None
    return text


def each_place_once(places: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out repeated places; a slash at the end makes no difference."""
    return tuple({place.rstrip("/"): place for place in places}.values())


def _currency(code: str) -> str:
    try:
        return checked_currency(code)
    except DcaBotError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _loopback(text: object) -> tuple[str, int] | None:
    """Read host and port of this computer's own network interface; an empty text stands for none."""
    if text in ("", None):
        return None
    if not isinstance(text, str):
        raise ValueError('is a text; write one like "127.0.0.1:9108"')  # noqa: TRY004 - pydantic's rule
    parts = _parts(f"http://{text}", "http")
    if parts is None or not parts.port or text != parts.netloc:
        raise ValueError(f"{text!r} is no address with a port; write one like 127.0.0.1:9108")
    host = parts.hostname or ""
    if not is_loopback(host):
        raise ValueError(
            f"{text!r} can be reached from other computers; write one like 127.0.0.1:9108, and have the"
            " collector come through SSH or a proxy"
        )
    return host, parts.port


def _or_none(value: object) -> object:
    return None if value == "" else value


FilePath = Annotated[Path, AfterValidator(_plain_path)]
PrivateFile = Annotated[FilePath, Access.OWNER]
MaybePrivateFile = Annotated[FilePath | None, BeforeValidator(_or_none), Access.OWNER]
PublicFile = Annotated[FilePath, Access.ANYBODY]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
StartAt = Annotated[AwareDatetime, Field(strict=True), AfterValidator(_since_bitcoin)]
RelayUrl = Annotated[str, AfterValidator(_relay_url)]
Amount = Annotated[Decimal, Field(ge=0, lt=10**12)]
Sats = Annotated[int, Field(ge=0, le=SAT_MAX)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
MaybeHttpUrl = Annotated[str, AfterValidator(_http_url_or_none)]
PageUrl = Annotated[str, Field(max_length=500), AfterValidator(_page_url)]
Nip05 = Annotated[str, AfterValidator(_nip05)]
Lud16 = Annotated[str, AfterValidator(_lud16)]
OneLine = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]
MaybeLoopback = Annotated[tuple[str, int] | None, BeforeValidator(_loopback)]
CopyPlaceText = Annotated[str, AfterValidator(_copy_place)]
SshHost = Annotated[str, AfterValidator(_ssh_host)]
Currency = Annotated[str, AfterValidator(_currency)]
