"""The pages name files that exist, and the README each command."""

import re
from pathlib import Path

import pytest

from dca_bot.chat.client.account import CLIENT_COMMANDS
from dca_bot.chat.operator.table import OPERATOR_COMMANDS

ROOT = Path(__file__).parents[1]
PATH = re.compile(r"`((?:[a-z_]+/)+[a-z_]+)(?:\.([a-z_]+))?`")
"""`room/module` of the package or `tests/module`, and a name inside after a full stop."""

TO_BE_MADE = {
    "dca_bot/chat/client/since",
    "dca_bot/lamassu/archive",
    "dca_bot/messages/texts/pl",
    "tests/chat/client/test_since",
    "tests/lamassu/test_archive",
}
"""What the page for contributors has its readers make, as an example."""


def places(text):
    for match in PATH.finditer(text):
        yield match[1], match[2]


def exists(path, name):
    from_root = path.startswith(("tests/", "dca_bot/", "docs/", "deploy/"))
    at = ROOT / path if from_root else ROOT / "dca_bot" / path
    if name in ("toml", "md", "sql", "txt"):
        return at.with_suffix(f".{name}").exists()
    module = at.with_suffix(".py")
    if not module.exists():
        return at.is_dir() and name is None
    return name in (None, "py") or re.search(
        rf"\b(def|class) {name}\b|^{name}\b", module.read_text(), re.MULTILINE
    )


@pytest.mark.parametrize("page", ["architecture", "contributing"])
def test_each_file_that_a_page_names_exists(page):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = list(places(text))
    assert len(found) > 10
    missing = {path for path, name in found if not exists(path, name)}
    assert missing <= (TO_BE_MADE if page == "contributing" else set())


def test_file_that_is_not_there_is_found():
    assert list(places("`core/payout`, `ledger/store/database.open_database`, `no`")) == [
        ("core/payout", None),
        ("ledger/store/database", "open_database"),
    ]
    assert not exists("core/no_such_module", None)
    assert not exists("core/payout", "no_such_name")


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{one.name}" for one in (ROOT / "docs").glob("*.md"))]
)
def test_page_says_late_where_something_is_done_late(page):
    """What is late isn't "made up": the words also mean invented."""
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert re.findall(r"(?i)(?:\w+ )?(?:made|make|makes|making)[ -]up\b(?: \w+)?", text) == []


@pytest.mark.parametrize(
    ("role", "table"), [("client", CLIENT_COMMANDS), ("operator", OPERATOR_COMMANDS)]
)
def test_readme_names_each_command(role, table):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {role} \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    assert sorted(re.findall("`([^`]*)`", row[1])) == sorted(command.name for command in table)


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"`make ([a-z-]+)[^`]*`")


def anchors(page):
    """Return what a link can name in a page, as hosts of repositories make it of the headings."""
    headings = re.findall(
        r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_pages_and_headings_that_are_there(page):
    dead = []
    for target, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        there = (page.parent / target) if target else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_names_targets_that_make_knows(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MADE.findall(page.read_text(encoding="utf-8"))) - targets == set()
