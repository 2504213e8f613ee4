"""Commands for apps that complete commands behind a slash: values without a wire format."""

from dataclasses import dataclass
from enum import StrEnum


class ArgumentKind(StrEnum):
    """The kind of text that an argument takes."""

    WORD = "word"
    NUMBER = "number"
    """Digits alone; an amount is a WORD."""
    CHOICE = "choice"
    TEXT = "text"
    """All that follows; only the last argument."""


@dataclass(frozen=True, slots=True)
class SlashArgument:
    """An argument of a command; `label` is for people, `choices` for a CHOICE."""

    kind: ArgumentKind
    label: str
    required: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A command: the word behind the slash, a description, and arguments, the required first."""

    word: str
    description: str
    arguments: tuple[SlashArgument, ...] = ()


class ManifestFormat(StrEnum):
    """The format of the published commands; no format is part of the protocol yet."""

    OFF = "off"
    NIP_CD = "nip-cd"
    """A proposal to the NIPs: https://github.com/nostr-protocol/nips/pull/2462, as of September 2026."""
    KIND_33304 = "kind-33304"
    """The format that the apps Vector and Armada read."""
