"""The commands as apps read them, by the rules of each format."""

import json
import re

import pytest

from dca_bot.core.slash_commands import ArgumentKind, ManifestFormat, SlashArgument, SlashCommand
from dca_bot.nostr import keys
from dca_bot.nostr.announcement.command_manifest import (
    KIND_DELETION,
    draft_commands,
    draft_withdrawal,
    is_commands,
)
from dca_bot.nostr.events import sign

KEY = keys.generate()
NIP_CD, KIND_33304 = ManifestFormat.NIP_CD, ManifestFormat.KIND_33304
AMOUNT = SlashArgument(ArgumentKind.WORD, "AMOUNT", required=False)
MODE = SlashArgument(ArgumentKind.CHOICE, "flow|fixed", required=False, choices=("flow", "fixed"))
COMMANDS = (
    SlashCommand("balance", "your balance"),
    SlashCommand("history", "h", (SlashArgument(ArgumentKind.NUMBER, "PAGE", required=False),)),
    SlashCommand("mode", "m", (MODE, AMOUNT)),
    SlashCommand("notify", "n", (MODE,)),
    SlashCommand("confirm", "c", (SlashArgument(ArgumentKind.WORD, "CODE", required=True),)),
    SlashCommand("help", "ñ" * 150, (SlashArgument(ArgumentKind.TEXT, "COMMAND", required=False),)),
)


def signed(draft, key=KEY):
    return sign(key, kind=draft.kind, created_at=1, tags=draft.tags, content=draft.content)


def test_nip_cd_has_an_event_for_each_command():
    drafts = draft_commands(NIP_CD, COMMANDS, KEY.public_key)
    assert {draft.kind for draft in drafts} == {31_992}
    balance = {tag[0]: tag[1] for tag in drafts[0].tags}
    assert (balance["d"], balance["command"]) == ("dca-bot-balance", "balance")
    assert (balance["title"], balance["description"]) == ("balance", "your balance")
    scopes = [tag[1] for tag in drafts[0].tags if tag[0] == "s"]
    assert scopes == ["kind:14", f"tag:p:{KEY.public_key}"]


def test_nip_cd_has_one_optional_argument_at_most_and_it_is_the_last():
    arguments = {}
    for draft in draft_commands(NIP_CD, COMMANDS, KEY.public_key):
        found = [tag for tag in draft.tags if tag[0] == "arg"]
        assert [tag[3] for tag in found].count("optional") <= 1
        assert all(tag[3] == "required" and tag[2] != "text" for tag in found[:-1])
        assert all(tag[2] in {"number", "enum", "word", "text"} for tag in found)
        assert all((tag[2] == "enum") == (len(tag) > 5) for tag in found)
        arguments[draft.tags[1][1]] = found
    assert arguments["mode"] == [
        ("arg", "flow-fixed-amount", "text", "optional", "flow|fixed AMOUNT")
    ]
    assert arguments["notify"] == [
        ("arg", "flow-fixed", "enum", "optional", "flow|fixed", "flow", "fixed")
    ]
    assert arguments["confirm"] == [("arg", "code", "word", "required", "CODE")]


def test_manifest_holds_the_bounds_of_the_apps_that_read_it():
    (draft,) = draft_commands(KIND_33304, COMMANDS, KEY.public_key)
    assert (draft.kind, draft.tags) == (33_304, (("d", ""),))
    content = json.loads(draft.content)
    assert content["v"] == 1
    assert [command["name"] for command in content["commands"]] == [c.word for c in COMMANDS]
    assert len(draft.content.encode()) <= 32_768
    for command in content["commands"]:
        assert len(command["description"].encode()) <= 200
        assert len(command["args"]) <= 8
        names = [argument["name"] for argument in command["args"]]
        assert len(set(names)) == len(names)
        required = [argument["required"] for argument in command["args"]]
        assert required == sorted(required, reverse=True)
        for argument in command["args"]:
            assert re.fullmatch(r"[a-z0-9_-]{1,32}", argument["name"])
            assert argument["type"] in {"string", "int", "choice"}
            assert (argument["type"] == "choice") == ("choices" in argument)


@pytest.mark.parametrize("form", [NIP_CD, KIND_33304])
def test_what_is_told_no_more_is_withdrawn_and_nothing_else(form):
    key = KEY.public_key
    before = draft_commands(form, COMMANDS, key)
    events = [signed(draft) for draft in before]
    assert all(map(is_commands, events))
    assert draft_withdrawal(events, before) is None
    gone = draft_withdrawal(events, draft_commands(ManifestFormat.OFF, COMMANDS, key))
    assert gone.kind == KIND_DELETION
    addresses = [tag[1] for tag in gone.tags if tag[0] == "a"]
    names = [f"dca-bot-{one.word}" for one in COMMANDS] if form is NIP_CD else [""]
    assert addresses == [f"{before[0].kind}:{key}:{name}" for name in names]
    assert [tag for tag in gone.tags if tag[0] == "k"] == [("k", str(before[0].kind))]
    fewer = draft_withdrawal(events, draft_commands(form, COMMANDS[1:], key))
    assert (fewer is not None) == (form is NIP_CD)


@pytest.mark.parametrize(
    ("kind", "tags", "content"),
    [
        (31_992, (("d", "weather"), ("command", "balance")), ""),
        (33_304, (("d", ""),), '{"v":1,"commands":[]}'),
        (33_304, (("d", ""),), "{"),
        (30_078, (("d", "dca-bot-balance"),), ""),
    ],
)
def test_commands_of_another_program_with_the_bots_key_stay(kind, tags, content):
    event = sign(KEY, kind=kind, created_at=1, tags=tags, content=content)
    assert not is_commands(event)
    assert draft_withdrawal([event], ()) is None
