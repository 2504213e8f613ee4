"""How a message leaves: in which protocol, to which relays, and how long it is tried."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from payout_bench import OPERATOR, HandClock, programme
from scaffold import open_ledger

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.ports import DmProtocol, IncomingMessage
from dca_bot.core.relay_lists import RelayList, RelayListKind
from dca_bot.jobs.outbox import ROOM, Outbox
from dca_bot.jobs.relay_lists import RelayListWatch
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import delivery, inbox, outbox, person_relays
from dca_bot.ledger.correspondence.outbox import Urgency
from dca_bot.ledger.programme import clients
from dca_bot.messages.notices import Notices
from dca_bot.messages.render import load_texts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NIP04, NIP17 = DmProtocol.NIP04, DmProtocol.NIP17
OWN = ("wss://own-1.example", "wss://own-2.example")
INBOX = ("wss://inbox.example",)
WROTE_AT = "wss://there.example"
ANA, BEN, STRANGER = "a" * 64, "b" * 64, "c" * 64


class Relays:
    """Takes events, or not; `published` has (event, waves of relays) and `sealed` what was made.

    The relays in `refusing` take nothing; whoever is in `slow` waits for the gate.
    """

    def __init__(self):
        self.looked_up = []
        self.online = True
        self.refusing = set()
        self.sealed = []
        self.published = []
        self.bulk = []
        self.takes = True
        self.slow = set()
        self.gate = asyncio.Event()
        self.at_once = self.at_once_max = 0

    async def look_up(self, people, _found):
        self.looked_up += people

    def connected(self):
        return int(self.online)

    def seal(self, message):
        self.sealed.append(message)
        return f"{len(self.sealed)} {message.recipient} {message.text}"

    async def deliver(self, event, waves, counting, *, bulk=False):
        self.published.append((event, waves))
        self.bulk += [event] * bulk
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        if event.split()[1] in self.slow:
            await self.gate.wait()
        self.at_once -= 1
        return self._answers(waves, counting)

    def _answers(self, waves, counting):
        """Return the answers of the relays, up to the wave with the first acceptance that counts."""
        answers = []
        for wave in waves:
            if not any(one.accepted and one.relay in counting for one in answers):
                answers += [self._answer(url) for url in wave]
        return answers

    def _answer(self, url):
        takes = self.takes and url not in self.refusing
        reason = None if takes else Undelivered.REFUSED
        return RelayAnswer(url, takes, reason, words="" if takes else "blocked")

    def texts(self, pubkey=None):
        split = [event.split(" ", 2) for event, _ in self.published]
        return [text for _, recipient, text in split if pubkey in (None, recipient)]


class Office:
    """An outbox on a real ledger and its deliverer."""

    def __init__(self, folder):
        self.folder = folder
        self.relays = Relays()
        self.clock = HandClock(NOW)

    async def open(self):
        self.database = await open_ledger(self.folder / "data")
        self.signals = Signals()
        shared = self.database, self.relays, programme(), self.clock, self.signals
        self.lists = RelayListWatch(*shared)
        notices = Notices(programme(), load_texts(programme()))
        self.deliverer = Outbox(*shared, OWN, self.lists, notices)

    async def reopen(self):
        await self.database.aclose()
        await self.open()

    async def client(self, name, pubkey):
        await self.database.transact(
            lambda tx: clients.add(tx, name=name, pubkey=pubkey, language="en", now=NOW)
        )

    async def lists_relays(self, pubkey, *urls, at=1):
        """Have the ledger know where a person reads."""
        event = json.dumps({"tags": [["relay", url] for url in urls]})
        listed = RelayList(pubkey, RelayListKind.INBOX, at, urls, event)
        await self.database.transact(lambda tx: person_relays.keep_list(tx, listed))

    async def fared(self, pubkey=ANA):
        return await self.database.read(lambda tx: delivery.of(tx, pubkey))

    async def wrote(self, pubkey, protocol, *, relay=WROTE_AT, minutes=0):
        sent_at = NOW + timedelta(minutes=minutes)
        message = IncomingMessage("id", pubkey, "hi", sent_at, protocol, relay)
        await self.database.transact(lambda tx: inbox.note_person(tx, message, now=message.sent_at))

    async def write(self, pubkey, *texts, expires_at=None, **answer):
        def work(tx):
            for text in texts:
                id_ = outbox.write(tx, pubkey, text, now=self.clock.now(), **answer)
                outbox.expire(tx, id_, expires_at)

        await self.database.transact(work)

    async def deliver(self):
        """Send what is due until nothing more is."""
        before = -1
        while before != len(self.relays.published):
            before = len(self.relays.published)
            async with asyncio.TaskGroup() as group:
                await self.deliverer._start_due(group)

    async def unsent(self):
        return await self.database.read(outbox.unsent)


@pytest.fixture
async def unlisted(tmp_path):
    """An office with clients who have published no list and never wrote."""
    office = Office(tmp_path)
    await office.open()
    await office.client("ana", ANA)
    await office.client("ben", BEN)
    yield office
    await office.database.aclose()


@pytest.fixture
async def office(unlisted):
    """An office that knows where its clients read."""
    for pubkey in (ANA, BEN):
        await unlisted.lists_relays(pubkey, *INBOX)
    return unlisted


# Protocol and relays


@pytest.mark.parametrize(
    ("last_used", "inbox", "protocol", "relays"),
    [
        (None, (), NIP17, (OWN,)),
        (None, INBOX, NIP17, (INBOX, OWN)),
        (NIP04, (), NIP04, ((WROTE_AT, *OWN),)),
        (NIP04, INBOX, NIP17, (INBOX, (WROTE_AT, *OWN))),
        (NIP17, (), NIP17, ((WROTE_AT, *OWN),)),
        (NIP17, INBOX, NIP17, (INBOX, (WROTE_AT, *OWN))),
    ],
)
async def test_message_that_the_bot_starts_goes_where_the_person_reads(
    unlisted, last_used, inbox, protocol, relays
):
    office = unlisted
    if last_used:
        await office.wrote(ANA, last_used)
    await office.lists_relays(ANA, *inbox)
    await office.write(ANA, "news")
    await office.deliver()
    ((_, used),) = office.relays.published
    assert (office.relays.sealed[0].protocol, used) == (protocol, relays)


@pytest.mark.parametrize(
    ("protocol", "inbox", "relays"),
    [
        (NIP04, (), ((WROTE_AT, *OWN),)),
        (NIP04, INBOX, ((WROTE_AT, *INBOX, *OWN),)),
        (NIP17, (), ((WROTE_AT, *OWN),)),
        (NIP17, INBOX, (INBOX, (WROTE_AT, *OWN))),
    ],
)
@pytest.mark.parametrize("pubkey", [ANA, OPERATOR])
async def test_reply_goes_out_in_the_protocol_of_the_message(
    unlisted, pubkey, protocol, inbox, relays
):
    office = unlisted
    other = NIP17 if protocol is NIP04 else NIP04
    await office.wrote(pubkey, other, relay="wss://before.example")
    await office.lists_relays(pubkey, *inbox)
    await office.write(pubkey, "reply", protocol=protocol, relay=WROTE_AT)
    await office.deliver()
    ((_, used),) = office.relays.published
    assert (office.relays.sealed[0].protocol, used) == (protocol, relays)


@pytest.mark.parametrize("protocol", [NIP04, NIP17])
async def test_stranger_is_answered_on_the_relay_of_writing_only(office, protocol):
    await office.lists_relays(STRANGER, *INBOX)
    await office.wrote(STRANGER, protocol)
    await office.write(STRANGER, "hello", protocol=protocol, relay=WROTE_AT)
    await office.deliver()
    ((_, used),) = office.relays.published
    assert used == ((WROTE_AT,),)
    assert list(office.lists._wanted) == [], "nothing is looked up for a stranger"
    assert await office.fared(STRANGER) is None


async def test_relay_where_one_wrote_is_not_sent_to_twice(unlisted):
    office = unlisted
    await office.wrote(ANA, NIP04, relay=OWN[1])
    await office.write(ANA, "news")
    await office.deliver()
    ((_, used),) = office.relays.published
    assert used == ((OWN[1], OWN[0]),)


async def test_protocol_stays_when_an_inbox_becomes_known_between_two_tries(unlisted):
    office = unlisted
    await office.wrote(ANA, NIP04)
    await office.write(ANA, "news")
    office.relays.takes = False
    await office.deliver()
    await office.lists_relays(ANA, *INBOX)
    office.clock.ahead += timedelta(minutes=1)
    await office.deliver()
    assert {message.protocol for message in office.relays.sealed} == {NIP04}


# Until a relay took it


async def test_refused_message_is_tried_again_with_growing_pauses_until_it_is_taken(office):
    await office.write(ANA, "news")
    office.relays.takes = False
    pauses = []
    for _ in range(12):
        await office.deliver()
        next_at = await office.database.read(outbox.next_try_at)
        pauses.append((next_at - office.clock.now()).total_seconds())
        tries = len(office.relays.published)
        office.clock.ahead = next_at - NOW - timedelta(seconds=1)
        await office.deliver()
        assert len(office.relays.published) == tries
        office.clock.ahead = next_at - NOW
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    office.relays.takes = True
    await office.deliver()
    assert await office.unsent() == 0
    office.clock.ahead += timedelta(days=1)
    tries = len(office.relays.published)
    await office.deliver()
    assert len(office.relays.published) == tries == 13


async def test_every_nip17_try_is_a_fresh_wrap_of_the_same_rumor(office):
    await office.write(ANA, "news", protocol=NIP17, relay=WROTE_AT)
    office.relays.takes = False
    await office.deliver()
    await office.reopen()
    office.clock.ahead += timedelta(minutes=1)
    await office.deliver()
    first, second = office.relays.sealed
    assert first == second
    events = [event for event, _ in office.relays.published]
    assert len(set(events)) == 2


async def test_nip04_event_is_the_same_at_every_try_also_after_a_restart(office):
    await office.write(ANA, "news", protocol=NIP04, relay=WROTE_AT)
    office.relays.takes = False
    await office.deliver()
    office.clock.ahead += timedelta(minutes=1)
    await office.deliver()
    await office.reopen()
    office.clock.ahead += timedelta(minutes=1)
    office.relays.takes = True
    await office.deliver()
    events = [event for event, _ in office.relays.published]
    assert len(events) == 3
    assert len(set(events)) == len(office.relays.sealed) == 1
    assert await office.unsent() == 0


async def test_message_is_given_up_after_seven_days(office):
    await office.write(ANA, "news")
    office.relays.takes = False
    while await office.unsent() and office.clock.ahead < timedelta(days=8):
        await office.deliver()
        office.clock.ahead += timedelta(minutes=10)
    assert timedelta(days=7) < office.clock.ahead < timedelta(days=7, hours=1)
    tries = len(office.relays.published)
    office.relays.takes = True
    office.clock.ahead += timedelta(days=1)
    await office.deliver()
    assert len(office.relays.published) == tries


# Messages that become worthless


@pytest.mark.parametrize("protocol", [NIP04, NIP17])
async def test_message_is_sealed_with_the_time_at_which_it_is_worthless(office, protocol):
    expires_at = NOW + timedelta(minutes=10)
    await office.write(ANA, "code", protocol=protocol, relay=WROTE_AT, expires_at=expires_at)
    await office.write(ANA, "news")
    await office.deliver()
    assert [message.expires_at for message in office.relays.sealed] == [expires_at, None]


async def test_message_that_is_worthless_by_now_is_not_sent_and_keeps_no_other_back(office):
    office.relays.takes = False
    expires_at = NOW + timedelta(minutes=10)
    await office.write(ANA, "code", protocol=NIP04, relay=WROTE_AT, expires_at=expires_at)
    await office.write(ANA, "later")
    await office.deliver()
    office.relays.takes = True
    office.clock.ahead += timedelta(minutes=10)
    await office.reopen()
    await office.deliver()  # drops the code, which makes room for the next
    await office.deliver()
    assert office.relays.texts()[:3] == ["code", "later", "later"]
    (told,) = office.relays.texts()[3:]
    assert told.startswith("I could not reach you in time: the code of your last command is over")
    assert await office.unsent() == 0


async def test_strangers_code_that_is_over_is_dropped_without_a_word(office):
    expires_at = NOW + timedelta(hours=24)
    await office.write(STRANGER, "KNOCK", protocol=NIP17, relay=WROTE_AT, expires_at=expires_at)
    office.clock.ahead += timedelta(hours=24)
    await office.deliver()
    assert office.relays.published == []
    assert await office.unsent() == 0


# One after the other, and side by side


async def test_messages_to_one_person_leave_in_order_one_at_a_time(office):
    await office.write(ANA, "one", "two", "three")
    await office.deliver()
    assert office.relays.texts() == ["one", "two", "three"]
    assert office.relays.at_once_max == 1
    seconds = [message.created_at for message in office.relays.sealed]
    assert seconds == sorted(set(seconds)), "apps sort by whole seconds"


async def test_refused_message_keeps_no_later_one_back_and_is_still_the_older_one(office):
    office.relays.takes = False
    await office.write(ANA, "one")
    await office.deliver()
    office.relays.takes = True
    await office.write(ANA, "two")
    await office.deliver()
    office.clock.ahead += timedelta(minutes=1)
    await office.deliver()
    assert office.relays.texts() == ["one", "two", "one"]
    one, two, _ = office.relays.sealed
    assert one.created_at < two.created_at, "apps show them in this order"


async def test_message_that_cannot_be_sealed_keeps_no_other_back(office):
    seal = office.relays.seal

    def refuse(message):
        if message.recipient == ANA:
            raise ValueError("a key that is no point of the curve")
        return seal(message)

    office.relays.seal = refuse
    await office.write(ANA, "one")
    await office.write(BEN, "two")
    await office.deliver()
    assert office.relays.texts() == ["two"]
    assert await office.unsent() == 1


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the relays set no event
            await asyncio.sleep(0.005)


@pytest.fixture
async def running(office):
    """The deliverer at work; only bells wake it."""

    async def sleep(_delay_s):
        await asyncio.Event().wait()

    office.clock.sleep = sleep
    task = asyncio.create_task(office.deliverer.run())
    yield office
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_slow_relay_of_one_person_delays_nobody_else(running):
    running.relays.slow = {ANA}
    await running.write(ANA, "slow", "after it")
    await running.write(BEN, "one", "two")
    running.signals.outbox.ring()
    await until(lambda: running.relays.texts(BEN) == ["one", "two"])
    assert running.relays.texts(ANA) == ["slow"]
    running.relays.gate.set()
    await until(lambda: running.relays.texts(ANA) == ["slow", "after it"])


async def test_messages_on_their_way_are_known_to_the_other_jobs(running):
    running.relays.slow = {ANA}
    await running.write(ANA, "alarm", alarm="LNbits")
    running.signals.outbox.ring()
    await until(lambda: running.relays.texts(ANA))
    assert running.signals.leaving == set(
        await running.database.read(lambda tx: outbox.open_of(tx, "LNbits"))
    )
    assert len(running.signals.leaving) == 1
    running.relays.gate.set()
    await until(lambda: not running.signals.leaving)
    assert await running.unsent() == 0


def crowd(first, count):
    return [f"{n:064x}" for n in range(first, first + count)]


@pytest.mark.parametrize("urgency", Urgency)
async def test_only_so_many_messages_leave_at_once_and_all_leave_in_the_end(running, urgency):
    people = crowd(100, 20)
    running.relays.slow = set(people)
    for pubkey in people:
        await running.write(pubkey, "news", urgency=urgency)
    running.signals.outbox.ring()
    await until(lambda: running.relays.at_once == ROOM[urgency])
    running.relays.gate.set()
    await until(lambda: len(running.relays.published) == len(people))
    assert running.relays.at_once_max == ROOM[urgency]


async def test_broadcast_and_notices_that_hang_leave_room_for_answers(running):
    kinds = {urgency: crowd(100 * (urgency + 1), 20) for urgency in Urgency}
    running.relays.slow = {pubkey for people in kinds.values() for pubkey in people}
    for urgency in reversed(Urgency):
        for pubkey in kinds[urgency]:
            await running.write(pubkey, "text", urgency=urgency)
        running.signals.outbox.ring()
        await until(lambda u=urgency: running.relays.at_once == ROOM[u])
    assert sorted(ROOM.values(), reverse=True) == list(ROOM.values())
    under_way = [sum(map(len, map(running.relays.texts, kinds[urgency]))) for urgency in Urgency]
    assert under_way == [8, 4, 4]
    assert len(running.relays.bulk) == 4, "the relays' own room is kept too"


async def test_answer_passes_a_waiting_broadcast_to_the_same_person_and_nothing_else(office):
    await office.write(ANA, "broadcast", urgency=Urgency.BULK)
    await office.write(ANA, "notice")
    await office.write(ANA, "answer", urgency=Urgency.ANSWER)
    await office.write(BEN, "other notice")
    await office.deliver()
    assert office.relays.texts(ANA) == ["notice", "answer", "broadcast"]
    assert office.relays.texts()[0] == "notice", "an answer waits behind it"
    order = {message.text: message.created_at for message in office.relays.sealed}
    assert order["broadcast"] < order["notice"] < order["answer"], "as they were written"


async def test_message_that_was_never_marked_as_sent_leaves_again_after_a_crash(office):
    office.relays.slow = {ANA}
    await office.write(ANA, "news", protocol=NIP04, relay=WROTE_AT)
    task = asyncio.create_task(office.deliver())
    await until(lambda: office.relays.published)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    office.relays.slow = set()
    await office.reopen()
    await office.deliver()
    events = [event for event, _ in office.relays.published]
    assert len(events) == 2
    assert len(set(events)) == 1
