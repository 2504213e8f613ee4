"""Plays three conversations of 60 turns on real parts and writes docs/transcripts: `make transcripts`.

Everything is real: LNbits, the relay, the export over SSH, the bot as a process, people with rust-nostr.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":  # the rooms of the tests, as pytest finds them
    sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from transcripts.operators import carlos, sixty_clients  # noqa: E402 - after the paths
from transcripts.page import Page  # noqa: E402 - after the paths
from transcripts.savers import emily, maria  # noqa: E402 - after the paths
from transcripts.stage import Parts, Stage, parts, world_of  # noqa: E402 - after the paths

DOCS = TESTS.parent / "docs" / "transcripts"
SETTINGS = """
[bot]
language = "{language}"

[fixed]
times = ["23:58"]
"""
HEAD = (
    "{about}\n\nA real conversation, written by `make transcripts`: the bot as a process, two LNbits, a "
    "relay, the machine's export over SSH, and a person with another program (rust-nostr, NIP-17). The "
    "number is the person's turn, the time is Guatemala's. Codes, hosts and invoice keys are replaced, "
    "because these differ in each run; lines are broken to fit the page."
)
ABOUT = {
    "saver-es": ("Una ahorradora en español", "A saver writes in Guatemalan Spanish."),
    "saver-en": ("A saver in English", "A saver writes in English."),
    "operator": ("An operator with 60 clients", "An operator writes in English and in Spanish."),
}


async def play(name: str, real: Parts, folder: Path) -> tuple[Stage, str]:
    """Play one conversation, and return the stage and the page."""
    language = "es" if name == "saver-es" else "en"
    settings = SETTINGS.format(language=language)
    async with world_of(real, folder, seed=name, settings=settings) as world:
        if name == "operator":
            npubs = await sixty_clients(world)
            stage = Stage(world, world.operator, Page("Carlos", name))
            world.start()
            script = carlos(stage, npubs)
        else:
            who = "maria" if language == "es" else "emily"
            stage = Stage(world, await world.person(who), Page(who.title(), name))
            wallet = real.lnbits.create_user_wallet(who)
            at = real.lnbits.lightning_address(wallet, f"{who}{wallet.id[:6]}").partition("@")[0]
            world.gateway.abroad.add(at)
            stage.page.masks[at] = who
            world.start()
            saver = maria if language == "es" else emily
            script = saver(stage, f"{at}@{world.gateway.netloc}")
        try:
            await script
        except (AssertionError, TimeoutError) as error:
            # The page of a conversation that ends early shows why.
            stage.wrong.append(f"after turn {stage.turns}: {str(error)[:300]}")
        assert world.stop() == 0
        findings = world.audit()["findings"]
        stage.wrong += [f"audit: {one}" for one in findings]
    title, about = ABOUT[name]
    return stage, stage.page.text(title, HEAD.format(about=about))


async def main(names: list[str], to: Path) -> int:
    """Play conversations one after the other; return 1 if an answer lacks the expected words."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="dca-bot-transcripts-") as folder:
        async with parts(Path(folder)) as real:
            for name in names:
                (Path(folder) / name).mkdir()
                stage, page = await play(name, real, Path(folder) / name)
                (to / f"{name}.md").write_text(page, encoding="utf-8")
                _tell(f"{name}: {stage.turns} turns")
                for text in stage.page.long:
                    _tell(f"  longer than a phone's page: {text.splitlines()[0]}")
                wrong += [f"{name}, {one}" for one in stage.wrong]
    _tell("\n".join(wrong or ["Each answer has the expected words."]))
    return int(bool(wrong))


def _tell(text: str) -> None:
    print(text)  # noqa: T201 - a program that prints


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[], choices=[*ABOUT, []])
    parser.add_argument("--to", type=Path, default=DOCS, help="the folder of the pages")
    return parser.parse_args()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    options = _options()
    options.to.mkdir(exist_ok=True)
    sys.exit(asyncio.run(main(options.names or list(ABOUT), options.to)))
