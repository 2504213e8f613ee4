"""The events that tell apps of the bot's commands, so that the apps can complete a command behind a slash.

NIP-CD, a proposal, has an event for each command. Kind 33304, in use by some apps, has a single event with
all commands. In both formats a completed command arrives as an ordinary message.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from dca_bot.core.slash_commands import (
    ArgumentKind,
    ManifestFormat,
    SlashArgument,
    SlashCommand,
)
from dca_bot.errors import MessageRefused
from dca_bot.nostr.announcement.own_events import Draft
from dca_bot.nostr.events import Event, parse_json

KIND_COMMAND = 31_992
KIND_MANIFEST = 33_304
KIND_DELETION = 5
# No colon: relays split an address (`a` tag) at each colon.
_NAME = "dca-bot-"
"""The beginning of the `d` tag of each command's event: other events of that kind aren't the bot's doing."""
_MAKER = "made_by"
_NIP_CD_TYPES = {ArgumentKind.CHOICE: "enum"}
_MANIFEST_TYPES = {ArgumentKind.NUMBER: "int", ArgumentKind.CHOICE: "choice"}
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG_CHARS_MAX = 32
_DESCRIPTION_BYTES_MAX = 200


def draft_commands(
    form: ManifestFormat, commands: Sequence[SlashCommand], pubkey: str
) -> tuple[Draft, ...]:
    """Draft the events that tell apps of the bot's commands; `pubkey` is the bot's public key."""
    match form:
        case ManifestFormat.NIP_CD:
            return tuple(_definition(command, pubkey) for command in commands)
        case ManifestFormat.KIND_33304:
            return (_manifest(commands),)
        case ManifestFormat.OFF:
            return ()


def draft_withdrawal(published: Sequence[Event], wanted: Sequence[Draft]) -> Draft | None:
    """Draft the deletion (NIP-09) of commands that the bot has published and tells of no more."""
    names = {(draft.kind, name) for draft in wanted for name in _names(draft)}
    addresses = tuple(
        ("a", f"{event.kind}:{event.pubkey}:{name}")
        for event in published
        if is_commands(event)
        for name in _names(event)
        if (event.kind, name) not in names
    )
    kinds = dict.fromkeys(("k", address.partition(":")[0]) for _, address in addresses)
    return Draft(KIND_DELETION, (*addresses, *kinds), "") if addresses else None


def is_commands(event: Event) -> bool:
    """Tell whether an event of the bot's key was made by `draft_commands`."""
    if event.kind == KIND_COMMAND:
        return any(name.startswith(_NAME) for name in _names(event))
    if event.kind != KIND_MANIFEST:
        return False
    try:
        content = parse_json(event.content)
    except MessageRefused:
        return False
    return isinstance(content, dict) and content.get(_MAKER) == _NAME


def _names(event: Event | Draft) -> tuple[str, ...]:
    return tuple(tag[1] for tag in event.tags if len(tag) > 1 and tag[0] == "d")


def _definition(command: SlashCommand, pubkey: str) -> Draft:
    """Draft a command's event by NIP-CD: valid in direct messages to the bot."""
    arguments = command.arguments
    if sum(not argument.required for argument in arguments) > 1:
        # At most one argument may be optional: all become one text.
        label = " ".join(argument.label for argument in arguments)
        arguments = (SlashArgument(ArgumentKind.TEXT, label, required=False),)
    tags = (
        ("d", f"{_NAME}{command.word}"),
        ("command", command.word),
        ("title", command.word),
        ("description", command.description),
        *(
            (
                "arg",
                _slug(argument.label),
                _NIP_CD_TYPES.get(argument.kind, argument.kind),
                "required" if argument.required else "optional",
                argument.label,
                *argument.choices,
            )
            for argument in arguments
        ),
        ("s", "kind:14"),
        ("s", f"tag:p:{pubkey}"),
    )
    return Draft(KIND_COMMAND, tags, "")


def _manifest(commands: Sequence[SlashCommand]) -> Draft:
    """Draft the event of kind 33304; apps ignore keys beyond the format."""
    content = {"v": 1, "commands": [_entry(command) for command in commands], _MAKER: _NAME}
    return Draft(KIND_MANIFEST, (("d", ""),), json.dumps(content, ensure_ascii=False))


def _entry(command: SlashCommand) -> dict[str, Any]:
    return {
        "name": command.word,
        "description": _cut(command.description),
        "args": [
            {
                "name": _slug(argument.label),
                "type": _MANIFEST_TYPES.get(argument.kind, "string"),
                "description": _cut(argument.label),
                "required": argument.required,
                **({"choices": list(argument.choices)} if argument.choices else {}),
            }
            for argument in command.arguments
        ],
    }


def _slug(label: str) -> str:
    """Make the name of an argument from the label: small letters, digits and hyphens."""
    return _NO_SLUG.sub("-", label.lower()).strip("-")[:_SLUG_CHARS_MAX].strip("-")


def _cut(text: str) -> str:
    return text.encode()[:_DESCRIPTION_BYTES_MAX].decode(errors="ignore")
