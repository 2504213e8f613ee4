"""`resume all` after another bot's row at LNbits has stopped this one."""

from dataclasses import replace

import pytest
from talk import code_in

from dca_bot.core.lease import Dispute, DisputeReason, LeaseKind, LeaseRow
from dca_bot.ledger.payouts import leases
from dca_bot.ledger.store import bot_state

RIVAL = LeaseRow(9, "77c2aaaaaaaaaaaa", LeaseKind.CLAIM, "ledger", "bot")


@pytest.fixture
async def stopped(talk):
    """The bot has seen another one's row and stopped; `talk` goes on with it."""
    talk.services = replace(talk.services, bot_name="3fa9 (raspi)")
    talk.start()
    dispute = Dispute(DisputeReason.SECOND_BOT, RIVAL)

    def stop(tx):
        assert leases.stop(tx, dispute, now=talk.clock.now())
        talk.notices.alarms.lease_disputed(tx, dispute, talk.clock.now())

    await talk.database.transact(stop)
    return talk


async def is_paused(talk):
    return await talk.database.read(bot_state.paused)


async def test_resume_all_after_a_dispute_needs_a_code_and_names_both_bots(stopped):
    asked = await stopped.tell("op", "resume all")
    assert "bot 3fa9 (raspi), go on" in asked
    assert "77c2" in asked
    assert await is_paused(stopped)
    told = await stopped.tell("op", f"confirm {code_in(asked)}")
    assert "take over" in told
    assert not await is_paused(stopped)
    assert await stopped.database.read(leases.open_dispute) is None
    assert stopped.rung[-1] == "payouts"
    assert any("take over" in text for text in await stopped.letters_to("op2"))
    record = await stopped.database.read(leases.record_of)
    assert (record.accepted, record.is_takeover) == (9, True)
    assert await stopped.tell("op", "resume all") == "Nothing is paused."


async def test_resume_all_without_a_dispute_needs_no_code(talk):
    await talk.tell("op", "pause all")
    assert "confirm" not in await talk.tell("op", "resume all")
    assert not await is_paused(talk)


async def test_pause_all_before_a_dispute_needs_the_code_too(talk, stopped):
    assert "already" in await talk.tell("op", "pause all")
    await stopped.do("op", "resume all")
    assert not await is_paused(talk)


async def test_operators_and_status_say_which_bot_has_stopped_and_what_to_do(stopped):
    (told,) = [text for text in await stopped.letters_to("op") if "copies of one ledger" in text]
    for words in ("77c2", "resume all", "code of the one"):
        assert words in told
    status = await stopped.tell("op", "status")
    assert "I am bot 3fa9 (raspi), the other is bot 77c2" in status
    assert "resume all" in status


async def test_status_says_that_lnbits_keeps_no_lease(talk):
    why = "Wallet balance cannot exceed 1 sats."
    await talk.database.transact(lambda tx: bot_state.put(tx, bot_state.LEASE_REFUSED, why))
    assert f"NOTHING IS PAID: LNbits makes no invoice of 1 sat in the source wallet ({why})" in (
        await talk.tell("op", "status")
    )


async def test_words_of_lnbits_about_the_lease_are_a_quotation_in_spanish(spanish):
    why = "Wallet balance cannot exceed 1 sats."

    def refuse(tx):
        bot_state.put(tx, bot_state.LEASE_REFUSED, why)
        spanish.notices.alarms.lease_refused(tx, why, spanish.clock.now())

    await spanish.database.transact(refuse)
    (told,) = await spanish.letters_to("op")
    assert f"en la billetera de origen (dice: «{why}»)" in told
    assert f"en la billetera de origen (dice: «{why}»)" in await spanish.tell("op", "status")


async def test_ledger_keeps_everything_paused_while_a_dispute_is_open(stopped):
    with pytest.raises(Exception, match="a dispute is closed before anything goes on"):
        await stopped.database.transact(lambda tx: bot_state.drop(tx, bot_state.PAUSED))
    row = LeaseRow(10, "me", LeaseKind.CLAIM, "ledger", "bot")
    with pytest.raises(Exception, match="a dispute is closed before the lease is taken"):
        await stopped.database.transact(lambda tx: leases.note(tx, row, now=stopped.clock.now()))
    dispute = replace(row, kind=LeaseKind.DISPUTE)
    await stopped.database.transact(lambda tx: leases.note(tx, dispute, now=stopped.clock.now()))
    with pytest.raises(Exception, match="higher generation than the one before"):
        await stopped.database.transact(
            lambda tx: leases.note(tx, replace(dispute, generation=3), now=stopped.clock.now())
        )
