"""Whom a message reaches, what is recorded of it, and what happens when the list doesn't work."""

import asyncio
from datetime import timedelta

import pytest
from payout_bench import OPERATOR
from test_outbox import ANA, BEN, INBOX, NIP04, NIP17, NOW, OWN, STRANGER, WROTE_AT, Office, until

from dca_bot.core.delivery import Undelivered
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.jobs import relay_lists
from dca_bot.jobs.relay_lists import EVERY, FRESH_FOR, LOOK, PEOPLE_MAX, RETRY_AFTER
from dca_bot.ledger.correspondence import outbox, person_relays
from dca_bot.ledger.correspondence.delivery import Delivery, Loss

LISTED = tuple(f"wss://listed-{n}.example" for n in range(5))


@pytest.fixture
async def unlisted(tmp_path):
    """An office with clients who have published no list and never wrote."""
    office = Office(tmp_path)
    await office.open()
    await office.client("ana", ANA)
    await office.client("ben", BEN)
    office.lists._sought.update((ANA, BEN))
    yield office
    await office.database.aclose()


@pytest.fixture
async def office(unlisted):
    """An office that knows where ana reads."""
    await unlisted.lists_relays(ANA, *INBOX)
    return unlisted


def waves_of(office):
    return [waves for _, waves in office.relays.published]


async def later(office, **delta):
    office.clock.ahead += timedelta(**delta)
    await office.deliver()


# Whom a message reaches


async def test_relay_of_the_list_that_took_the_message_is_recorded_as_reached(office):
    await office.write(ANA, "news")
    await office.deliver()
    assert await office.fared() == Delivery(ANA, NOW, INBOX[0], None)


async def test_fifth_relay_of_the_list_is_the_good_one_and_the_first_to_be_tried_next(unlisted):
    await unlisted.lists_relays(ANA, *LISTED)
    unlisted.relays.refusing = set(LISTED[:4])
    await unlisted.write(ANA, "one", "two")
    await unlisted.deliver()
    assert await unlisted.unsent() == 0
    first, second = waves_of(unlisted)
    assert first == (LISTED[:4], LISTED[4:], OWN)
    assert second[0][0] == LISTED[4]


async def test_message_that_only_the_relay_of_writing_took_is_tried_at_the_list_until_it_is_there(
    office,
):
    await office.wrote(ANA, NIP17)
    office.relays.refusing = set(INBOX)
    await office.write(ANA, "news", protocol=NIP17, relay=WROTE_AT)
    await office.deliver()
    lost = Delivery(ANA, None, "", Loss(ANA, NOW, Undelivered.REFUSED, "blocked"))
    assert await office.fared() == lost
    assert await office.unsent() == 1
    await later(office, minutes=1)
    assert waves_of(office) == [(INBOX, (WROTE_AT, *OWN)), (INBOX,)], "nowhere twice"
    assert await office.fared() == lost
    office.relays.refusing = set()
    await later(office, minutes=1)
    assert await office.unsent() == 0
    assert (await office.fared()).loss is None
    rumors = {(message.text, message.created_at) for message in office.relays.sealed}
    assert len(rumors) == 1, "the app shows one message"


async def test_while_a_list_fails_nobody_waits_for_it(office):
    await office.wrote(ANA, NIP17)
    office.relays.refusing = set(INBOX)
    await office.write(ANA, "one")
    await office.deliver()
    await office.write(ANA, "two")
    await office.deliver()
    assert waves_of(office)[-1] == ((*INBOX, WROTE_AT, *OWN),)


async def test_person_without_a_list_is_reached_where_the_person_wrote(unlisted):
    await unlisted.wrote(ANA, NIP17)
    await unlisted.write(ANA, "news")
    await unlisted.deliver()
    assert (await unlisted.fared()).relay == WROTE_AT
    assert await unlisted.unsent() == 0


async def test_message_beside_the_relay_of_writing_does_not_count(unlisted):
    await unlisted.wrote(ANA, NIP17)
    unlisted.relays.refusing = {WROTE_AT}
    await unlisted.write(ANA, "news")
    await unlisted.deliver()
    assert (await unlisted.fared()).loss.reason is Undelivered.REFUSED
    await later(unlisted, minutes=1)
    assert waves_of(unlisted) == [((WROTE_AT, *OWN),), ((WROTE_AT,),)]


async def test_person_without_a_list_who_never_wrote_is_not_reached_until_one_is_known(unlisted):
    await unlisted.write(ANA, "welcome")
    await unlisted.deliver()
    assert (await unlisted.fared()).loss.reason is Undelivered.NO_LIST
    await later(unlisted, minutes=1)
    assert waves_of(unlisted) == [(OWN,)], "the bot's relays have it already"
    await unlisted.lists_relays(ANA, *INBOX)
    await later(unlisted, minutes=1)
    assert waves_of(unlisted)[1:] == [(INBOX,)]
    assert await unlisted.unsent() == 0


async def test_message_at_the_bots_relays_has_arrived_once_the_person_writes_there(unlisted):
    await unlisted.write(ANA, "welcome", "more")
    await unlisted.deliver()
    await unlisted.wrote(ANA, NIP17, relay=OWN[0])
    await unlisted.write(ANA, "answer", protocol=NIP17, relay=OWN[0])
    for _ in range(3):
        await unlisted.deliver()
    assert unlisted.relays.texts() == ["welcome", "more", "answer"]
    assert await unlisted.unsent() == 0, "the others are tried as soon as one arrives"


async def test_hints_are_tried_beside_the_bots_relays(unlisted):
    hint = "wss://hint.example"
    await unlisted.database.transact(lambda tx: person_relays.keep_hints(tx, ANA, [hint]))
    await unlisted.write(ANA, "welcome")
    await unlisted.deliver()
    assert waves_of(unlisted) == [((*OWN, hint),)]


async def test_one_try_tells_of_all_messages_that_another_relay_has(office):
    await office.wrote(ANA, NIP17)
    office.relays.refusing = set(INBOX)
    await office.write(ANA, "one", "two", "three")
    await office.deliver()
    assert await office.unsent() == 3
    office.relays.published.clear()
    await later(office, minutes=1)
    assert len(office.relays.published) == 1
    office.relays.refusing = set()
    office.relays.published.clear()
    await later(office, minutes=1)
    assert office.relays.texts() == ["one", "two", "three"], "all leave once one arrives"
    assert await office.unsent() == 0


async def test_kind_4_counts_where_the_person_wrote(office):
    await office.wrote(ANA, NIP04)
    office.relays.refusing = set(INBOX)
    await office.write(ANA, "answer", protocol=NIP04, relay=WROTE_AT)
    await office.deliver()
    assert (await office.fared()).relay == WROTE_AT


async def test_nobody_is_called_unreachable_while_the_bot_has_no_relay(office):
    office.relays.online = office.relays.takes = False
    await office.write(ANA, "news")
    await office.deliver()
    assert await office.fared() is None
    assert await office.unsent() == 1


async def test_loss_begins_with_the_first_message_and_the_last_reason_stands(office):
    office.relays.refusing = {*INBOX, *OWN}
    await office.write(ANA, "news")
    await office.deliver()
    await later(office, hours=1)
    loss = (await office.fared()).loss
    assert (loss.since, loss.said) == (NOW, "blocked")


async def test_former_client_is_told_goodbye_where_the_list_says(office):
    await office.database.transact(lambda tx: tx.execute("UPDATE client SET state = 'closed'"))
    await office.write(ANA, "goodbye")
    await office.deliver()
    assert waves_of(office) == [(INBOX, OWN)]
    assert await office.unsent() == 0


async def test_list_that_changes_just_as_a_try_begins_mutes_nobody(office):
    await office.write(ANA, "news")
    async with asyncio.TaskGroup() as group:
        await office.deliverer._start_due(group)
        office.deliverer._begin_anew(ANA)
    await office.deliver()
    assert await office.unsent() == 0
    assert office.signals.leaving == set()


async def test_list_that_changes_just_as_a_try_ends_gets_the_message_too(office):
    await office.write(ANA, "news")
    deliver = office.relays.deliver

    async def while_the_list_changes(*what, **how):
        answers = await deliver(*what, **how)
        await office.lists_relays(ANA, LISTED[0], at=2)
        return answers

    office.relays.deliver = while_the_list_changes
    await office.deliver()
    assert waves_of(office)[-1][0] == (LISTED[0],)
    assert await office.unsent() == 0


async def test_withdrawn_alarm_is_remembered_where_a_relay_has_it(office):
    """Whoever may have read the alarm is told of its end."""
    await office.wrote(ANA, NIP17)
    office.relays.refusing = set(INBOX)
    await office.write(ANA, "alarm", alarm="LNbits")
    await office.write(BEN, "alarm", alarm="LNbits")
    office.relays.refusing |= set(OWN)
    await office.deliver()

    def work(tx):
        return outbox.withdraw(tx, "LNbits", now=office.clock.now())

    assert await office.database.transact(work) == {BEN}


# Look-ups beside the messages


class Finder:
    """Answers look-ups with these inbox lists, once the gate is open."""

    def __init__(self, office):
        self.lists = {}
        self.asked = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_answered = True
        office.relays.look_up = self.look_up

    async def look_up(self, people, found):
        self.asked.append(people)
        await self.gate.wait()
        for person in people:
            for listed in self.lists.get(person.pubkey, ()):
                await found(listed)
        return self.is_answered

    def people(self):
        return [person.pubkey for people in self.asked for person in people]


def listed(pubkey, *urls, at=NOW):
    event = '{"tags":[' + ",".join(f'["relay","{url}"]' for url in urls) + "]}"
    return RelayList(pubkey, RelayListKind.INBOX, int(at.timestamp()), urls, event)


@pytest.fixture
async def watched(unlisted):
    """An office whose look-ups and outbox are at work; only bells wake them."""

    async def sleep(_delay_s):
        await asyncio.Event().wait()

    unlisted.clock.sleep = sleep
    unlisted.finder = Finder(unlisted)
    unlisted.lists._sought.clear()
    tasks = [
        asyncio.create_task(unlisted.lists.run()),
        asyncio.create_task(unlisted.deliverer.run()),
    ]
    yield unlisted
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def send(office, pubkey, text, **how):
    await office.write(pubkey, text, **how)
    office.signals.outbox.ring()


async def all_sent(office):
    async with asyncio.timeout(10):
        while await office.unsent():  # noqa: ASYNC110 - the ledger sets no event
            await asyncio.sleep(0.005)


async def test_answer_leaves_at_once_though_no_look_up_ends(watched):
    watched.finder.gate.clear()
    await watched.wrote(ANA, NIP17)
    await send(watched, ANA, "answer", protocol=NIP17, relay=WROTE_AT)
    await until(lambda: watched.relays.texts() == ["answer"])
    await until(lambda: not watched.deliverer._busy)
    assert ANA in watched.finder.people()
    assert await watched.unsent() == 1, "a list may still turn up"
    assert await watched.fared() is None
    watched.finder.gate.set()
    await all_sent(watched)
    assert watched.relays.texts() == ["answer"], "which the relay has already"
    assert (await watched.fared()).relay == WROTE_AT


async def test_first_answer_goes_on_to_a_list_that_is_found_after_it_left(watched):
    watched.finder.gate.clear()
    watched.finder.lists[ANA] = [listed(ANA, *INBOX)]
    await watched.wrote(ANA, NIP17)
    await send(watched, ANA, "answer", protocol=NIP17, relay=WROTE_AT)
    await until(lambda: waves_of(watched) and not watched.deliverer._busy)
    watched.finder.gate.set()
    await all_sent(watched)
    assert waves_of(watched)[-1] == (INBOX,)
    assert (await watched.fared()).relay == INBOX[0]


async def test_people_are_looked_up_again_soon_where_no_relay_of_the_bots_answered(watched):
    """After a minute, and then ever more seldom: a relay may never answer."""
    watched.finder.is_answered = False
    looks = 1
    for minutes in (1, 2, 4, 8, 16, 20, 20):
        await until(lambda n=looks: watched.finder.people().count(ANA) == n)
        await until(lambda: not watched.lists._busy)
        watched.clock.ahead += timedelta(minutes=minutes, seconds=-1)
        watched.lists._bell.ring()
        await until(lambda: not watched.lists._bell._rung.is_set())
        assert watched.finder.people().count(ANA) == looks
        watched.clock.ahead += LOOK + timedelta(seconds=1)
        watched.lists._bell.ring()
        looks += 1
    await until(lambda: watched.finder.people().count(ANA) == looks)


async def test_list_that_is_found_sends_the_waiting_message_on_at_once(watched):
    watched.finder.gate.clear()
    watched.finder.lists[ANA] = [listed(ANA, *INBOX)]
    await send(watched, ANA, "welcome")
    await until(lambda: waves_of(watched) == [(OWN,)] and not watched.deliverer._busy)
    assert (await watched.fared()).loss.reason is Undelivered.NO_LIST
    watched.finder.gate.set()
    await until(lambda: waves_of(watched)[1:] == [(INBOX,)] and not watched.deliverer._busy)
    assert (await watched.fared()).relay == INBOX[0]


async def test_everybody_is_looked_up_at_the_start_and_again_after_a_while(watched):
    everybody = {OPERATOR, ANA, BEN}
    await until(lambda: everybody <= set(watched.finder.people()))
    watched.finder.asked.clear()
    watched.clock.ahead += EVERY - timedelta(seconds=1)
    watched.lists._bell.ring()
    await until(lambda: not watched.lists._bell._rung.is_set())
    assert watched.finder.asked == []
    watched.clock.ahead += LOOK + timedelta(seconds=1)
    watched.lists._bell.ring()
    await until(lambda: set(watched.finder.people()) == everybody)


async def test_list_that_changed_is_used_after_the_next_message_at_the_latest(watched):
    await until(lambda: ANA in watched.finder.people())
    await watched.lists_relays(ANA, "wss://old.example", at=1)
    watched.finder.lists[ANA] = [listed(ANA, *INBOX, at=NOW - timedelta(hours=1))]
    watched.clock.ahead += FRESH_FOR
    await send(watched, ANA, "one")
    await until(lambda: watched.finder.people().count(ANA) == 2 and not watched.lists._busy)
    await until(lambda: waves_of(watched)[-1][0] == INBOX and not watched.deliverer._busy)
    await send(watched, ANA, "two")
    await until(lambda: "two" in watched.relays.texts())
    assert waves_of(watched)[-1][0] == INBOX


async def test_message_that_went_to_the_relays_of_a_former_list_leaves_once_more(watched):
    await until(lambda: ANA in watched.finder.people())
    await watched.lists_relays(ANA, "wss://old.example", at=1)
    await send(watched, ANA, "before")
    await until(lambda: watched.relays.texts() == ["before"] and not watched.deliverer._busy)
    watched.clock.ahead += timedelta(minutes=30)
    changed_at = watched.clock.now()
    watched.clock.ahead += timedelta(minutes=4)
    watched.finder.lists[ANA] = [listed(ANA, *INBOX, at=changed_at)]
    watched.finder.gate.clear()
    await send(watched, ANA, "after")
    await until(lambda: watched.relays.texts() == ["before", "after"])
    await until(lambda: not watched.deliverer._busy)
    watched.finder.gate.set()
    await until(lambda: watched.relays.texts() == ["before", "after", "after"])
    await until(lambda: not watched.deliverer._busy)
    assert waves_of(watched)[-1][0] == INBOX
    _, once, again = watched.relays.sealed
    assert once == again, "the app shows one message"
    assert await watched.unsent() == 0


async def test_message_that_left_before_a_list_was_known_leaves_for_the_list_too(watched):
    """The answer is where the person wrote, but the person may read at the relays of the list alone."""
    await until(lambda: ANA in watched.finder.people())
    await watched.wrote(ANA, NIP17)
    await send(watched, ANA, "hours ago")
    await until(lambda: watched.relays.texts() == ["hours ago"] and not watched.deliverer._busy)
    watched.clock.ahead += timedelta(hours=2)
    watched.finder.lists[ANA] = [listed(ANA, *INBOX, at=NOW - timedelta(days=9))]
    await send(watched, ANA, "answer", protocol=NIP17, relay=WROTE_AT)
    await until(lambda: waves_of(watched)[-1][0] == INBOX and not watched.deliverer._busy)
    assert set(watched.relays.texts()[1:]) == {"answer"}
    assert await watched.unsent() == 0


async def test_message_that_is_on_the_list_already_leaves_no_second_time(watched):
    await until(lambda: ANA in watched.finder.people())
    await watched.wrote(ANA, NIP17)
    watched.finder.lists[ANA] = [listed(ANA, *INBOX, WROTE_AT)]
    watched.finder.gate.clear()
    watched.clock.ahead += FRESH_FOR
    await send(watched, ANA, "answer", protocol=NIP17, relay=WROTE_AT)
    await until(lambda: watched.relays.texts() == ["answer"] and not watched.deliverer._busy)
    watched.finder.gate.set()
    await until(lambda: watched.finder.people().count(ANA) == 2 and not watched.lists._busy)
    await until(lambda: not watched.signals.outbox._rung.is_set())
    assert watched.relays.texts() == ["answer"]
    assert await watched.unsent() == 0


async def test_failed_delivery_has_the_list_renewed(watched):
    await until(lambda: ANA in watched.finder.people())
    await watched.lists_relays(ANA, "wss://dead.example", at=1)
    watched.relays.refusing = {"wss://dead.example", *OWN}
    watched.finder.lists[ANA] = [listed(ANA, *INBOX)]
    watched.clock.ahead += RETRY_AFTER
    await send(watched, ANA, "news")
    await until(lambda: watched.relays.texts() == ["news", "news"])
    await until(lambda: not watched.deliverer._busy)
    assert (await watched.fared()).relay == INBOX[0]


async def test_look_ups_are_few_and_bounded(watched, monkeypatch):
    monkeypatch.setattr(relay_lists, "AT_ONCE", 2)
    await until(lambda: not watched.lists._busy and watched.finder.asked)
    watched.finder.asked.clear()
    watched.finder.gate.clear()
    people = [f"{n:064x}" for n in range(100, 130)]
    for pubkey in people:
        watched.lists.want(pubkey)
        watched.lists.want(pubkey)
    await until(lambda: len(watched.finder.asked) == 2)
    assert [len(batch) for batch in watched.finder.asked] == [PEOPLE_MAX, PEOPLE_MAX]
    watched.finder.gate.set()
    await until(lambda: sorted(watched.finder.people()) == people)


async def test_look_up_that_fails_ends_nothing(watched, caplog):
    async def look_up(_people, _found):
        raise ExceptionGroup("", [RuntimeError("a secret text")])

    await until(lambda: not watched.lists._busy and watched.finder.asked)
    watched.relays.look_up = look_up
    watched.lists.want("d" * 64)
    await until(lambda: "look-up of relay lists failed" in caplog.text)
    watched.finder.asked.clear()
    watched.relays.look_up = watched.finder.look_up
    watched.lists.want("e" * 64)
    await until(lambda: watched.finder.people() == ["e" * 64])
    assert "a secret text" not in caplog.text


async def test_stranger_is_never_looked_up(watched):
    await until(lambda: not watched.lists._busy and watched.finder.asked)
    watched.finder.asked.clear()
    await send(watched, STRANGER, "hello", protocol=NIP17, relay=WROTE_AT)
    await until(lambda: watched.relays.texts() == ["hello"])
    await until(lambda: not watched.deliverer._busy)
    assert watched.finder.asked == []
