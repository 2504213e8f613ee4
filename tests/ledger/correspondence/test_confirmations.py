import random
from datetime import timedelta

import pytest
from ledger.story import hex_of

from dca_bot.ledger.correspondence import confirmations
from dca_bot.ledger.store.clock import CODE_LIFE as LIFE

ANA, BEN = hex_of("ana"), hex_of("ben")
TICK = timedelta(microseconds=1)


def issue(story, pubkey=ANA, *, effect="500 GTQ to ana", seed=1):
    return story.do(
        confirmations.issue,
        pubkey,
        command="withdraw ana 500",
        effect=effect,
        now=story.now,
        random=random.Random(seed),
    )


def find(story, code, pubkey=ANA):
    return story.read(confirmations.find, pubkey, code, now=story.now)


def test_a_code_brings_back_the_command_and_the_effect_that_was_told(story):
    found = find(story, issue(story))
    assert (found.command, found.effect) == ("withdraw ana 500", "500 GTQ to ana")
    assert found.expires_at == story.now + LIFE


@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_a_code_is_read_in_any_case(story, write):
    assert find(story, write(issue(story)))


@pytest.mark.parametrize(
    ("after", "good"), [(timedelta(0), True), (LIFE, True), (LIFE + TICK, False)]
)
def test_a_code_is_good_for_ten_minutes(story, after, good):
    code = issue(story)
    story.now += after
    assert bool(find(story, code)) is good


def test_a_code_is_nobody_elses(story):
    assert find(story, issue(story), BEN) is None


def test_a_code_is_used_once(story):
    found = find(story, issue(story))
    assert story.do(confirmations.use, found, now=story.now)
    assert not story.do(confirmations.use, found, now=story.now)
    assert find(story, found.code) is None


def test_a_new_code_voids_the_persons_earlier_one_and_nobody_elses(story):
    first, other = issue(story), issue(story, BEN, seed=2)
    second = issue(story, seed=3)
    assert find(story, first) is None
    assert find(story, second)
    assert find(story, other, BEN)


def test_cancelling_voids_the_persons_codes(story):
    code, other = issue(story), issue(story, BEN, seed=2)
    assert story.do(confirmations.withdraw, ANA) == 1
    assert story.do(confirmations.withdraw, ANA) == 0
    assert find(story, code) is None
    assert find(story, other, BEN)


def test_a_used_code_is_not_given_out_again_while_it_could_be_mistaken(story):
    first = issue(story)
    story.do(confirmations.use, find(story, first), now=story.now)
    assert issue(story, seed=1) != first
    assert find(story, first) is None


def test_two_persons_with_equal_chance_get_different_codes(story):
    assert issue(story, ANA) != issue(story, BEN)


def test_old_codes_are_cleared_away(story):
    for number in range(5):
        issue(story, hex_of(str(number)), seed=number)
    story.now += 2 * LIFE + TICK
    issue(story)
    assert story.sql("SELECT count(*) AS n FROM confirmation")[0]["n"] == 1


def test_a_code_has_four_letters_that_cannot_be_mixed_up(story):
    codes = "".join(issue(story, seed=seed) for seed in range(50))
    assert len(codes) == 200
    assert not set(codes) & set("01IO")
