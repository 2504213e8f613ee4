from hypothesis import given, settings
from hypothesis import strategies as st

from dca_bot.nostr import keys
from dca_bot.nostr.events import UnsignedEvent, sign_draft, verify
from dca_bot.nostr.relays.proof_of_work import bits_asked, mine, work_of

KEY = keys.SecretKey(bytes([7]) * 32)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TAGS = st.lists(st.tuples(st.sampled_from(["p", "e", "nonce", "x"]), TEXT), max_size=3).map(tuple)


@settings(deadline=None, max_examples=40)
@given(TEXT, TAGS, st.integers(1, 8))
def test_mined_event_has_the_work_that_it_says_and_verifies(content, tags, bits):
    draft = UnsignedEvent(KEY.public_key, 1_784_700_000, 1, tags, content)
    mined = mine(draft, bits, lambda: False)
    event = sign_draft(mined, KEY)
    verify(event)
    assert work_of(event) >= bits
    kept = tuple(tag for tag in tags if tag[0] != "nonce")
    assert event.tags[:-1] == kept
    assert (event.tags[-1][0], event.tags[-1][2]) == ("nonce", str(bits))
    assert mine(draft, bits, lambda: False) == mined, "the same each time"


def test_mining_ends_when_told():
    draft = UnsignedEvent(KEY.public_key, 1_784_700_000, 1, (), "")
    looks = iter([False, False, True])
    assert mine(draft, 200, lambda: next(looks)) is None


def test_bits_are_read_from_words():
    assert bits_asked("pow: difficulty 26 is less than 30") == 30
    assert bits_asked("pow:") == 0
