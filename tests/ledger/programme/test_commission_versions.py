"""Who gets the commission: versions that are never altered, and splits that follow them."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger.story import KEY, hex_of
from scaffold import FLOW

from dca_bot.errors import Changed, StateChanged
from dca_bot.ledger.distributions import distributions, flow_mode
from dca_bot.ledger.payouts import booking
from dca_bot.ledger.programme import client_names, clients, commission
from dca_bot.ledger.programme.clients import ADDRESS, Destination
from dca_bot.ledger.programme.commission import CommissionShare
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import Got
from dca_bot.ledger.store import accounts

NEW_PLACE = Destination(ADDRESS, "rosa@new.example")


def split(story, id_):
    """Return {name: sats} of a cash-out's commission, and what is the operator's; None if no split."""
    found = story.read(distributions.by_id, commission.split_id(id_))
    if found is None:
        return None
    return {share.client_name: share.sat for share in found.shares}, found.unallocated_sat


def test_commission_goes_to_recipients_and_clients_by_percent(story):
    ana = story.client("ana", balance=9000_00)
    rosa = story.recipient("rosa", 4000)
    story.percent(ana, 1250)
    given_ = story.cash_out("d1", 1_000_000, 2000_00, commission_sat=58_001)
    assert given_.id == "d1"
    assert split(story, "d1") == ({"rosa": 23_200, "ana": 7_250}, 27_551)
    assert (story.owed(rosa), story.owed(ana)) == (23_200, 1_007_250)
    assert story.balance(ana) == 7000_00, "nobody is charged fiat for commission"
    assert story.total(accounts.COMMISSION) == 27_551
    assert story.total(accounts.MACHINE) == -1_058_001
    amounts = sorted(payout.amount_sat for payout in story.payouts())
    assert amounts == [7_250, 23_200, 1_000_000], "commission is paid apart"
    assert {payout.due_at for payout in story.payouts()} == {given_.at}
    assert story.findings() == ()


def test_without_recipients_all_commission_stays_the_operators(story):
    story.client("ana", balance=9000_00)
    story.cash_out("d1", 1000, 100, commission_sat=50)
    assert (split(story, "d1"), story.total(accounts.COMMISSION)) == (None, 50)


def test_a_cash_out_without_commission_has_no_split(story):
    story.recipient("rosa", 4000)
    story.cash_out("d1", 1000, 100)
    assert split(story, "d1") is None
    assert story.findings() == ()


def test_zero_sats_make_no_payout(story):
    story.recipient("rosa", 4000)
    story.cash_out("d1", 1000, 100, commission_sat=1)
    assert split(story, "d1") == ({}, 1)
    assert story.payouts() == []
    assert story.findings() == ()


def test_what_is_set_when_the_cash_out_is_processed_counts(story):
    rosa = story.recipient("rosa", 4000)
    left_at = story.now
    story.cash_out("d1", 1000, 100, commission_sat=100)
    story.later(hours=1)
    story.percent(rosa, 1000)
    story.cash_out("d2", 1000, 100, commission_sat=100, at=left_at)
    story.percent(rosa, 0)
    story.cash_out("d3", 1000, 100, commission_sat=100)
    assert split(story, "d1") == ({"rosa": 40}, 60)
    assert split(story, "d2") == ({"rosa": 10}, 90)
    assert split(story, "d3") is None
    versions = [story.read(distributions.by_id, f"commission:d{n}").commission_id for n in (1, 2)]
    assert versions == [1, 2]
    assert story.findings() == ()


def test_a_new_version_keeps_the_other_parts(story):
    rosa, luis = story.recipient("rosa", 4000), story.recipient("luis", 5000)
    story.percent(rosa, 2500)
    terms = story.read(commission.in_force)
    assert terms.shares == (
        CommissionShare(luis, "luis", 5000, "luis"),
        CommissionShare(rosa, "rosa", 2500, "rosa"),
    )
    assert (terms.id, terms.rest_bp) == (3, 2500)
    assert story.percent(luis, 0).shares == (CommissionShare(rosa, "rosa", 2500, "rosa"),)


def test_more_than_what_is_left_is_refused(story):
    rosa, luis = story.recipient("rosa", 6000), story.recipient("luis")
    with pytest.raises(StateChanged, match=Changed.COMMISSION):
        story.percent(luis, 4001)
    story.percent(luis, 4000)
    with pytest.raises(StateChanged):
        story.percent(rosa, 6001)
    assert story.read(commission.in_force).rest_bp == 0


def test_recipients_are_no_clients(story):
    rosa = story.recipient("rosa", 4000)
    key = commission.recipient_key("rosa")
    assert story.read(client_names.names) == []
    assert story.read(clients.everyone) == []
    assert story.read(clients.by_name, "rosa") is None
    assert story.read(clients.by_pubkey, key) is None
    assert story.read(flow_mode.eligible, story.now, FLOW.timezone) == {}
    assert story.read(client_names.payee, "ROSA").id == rosa
    with pytest.raises(sqlite3.IntegrityError, match="only clients hand in cash"):
        story.pending(rosa, 5)
    with pytest.raises(sqlite3.IntegrityError, match="reads no messages"):
        story.sql(
            "INSERT INTO outbox (recipient, text, created_at, try_at) VALUES (?, '', 0, 0)", key
        )


def test_a_name_is_one_persons_whatever_the_case(story):
    story.recipient("ñandú", 4000)
    assert story.read(client_names.payee, "ÑANDÚ").name == "ñandú"
    assert commission.recipient_key("ñandú") == commission.recipient_key("ÑANDÚ")
    with pytest.raises(sqlite3.IntegrityError):
        story.recipient("ñandú")


def test_a_removed_recipient_is_paid_and_then_makes_room(story):
    rosa = story.recipient("rosa", 4000)
    story.client("ana", balance=1_000)
    story.cash_out("d1", 1000, 100, commission_sat=100)
    assert story.read(commission.leaving) == []
    story.percent(rosa, 0)

    def close():
        return story.do(lambda tx: commission.close_spent(tx, clients.by_id(tx, rosa)))

    assert not close()
    assert [payee.id for payee in story.read(commission.leaving)] == [rosa]
    (payout,) = story.payouts(rosa)
    story.bring(payout.id, "DEBITED")
    assert not close(), "its arrival is still being checked"
    story.step(payout.id, "DONE")
    assert story.read(commission.leaving) == []
    assert close()
    assert story.read(client_names.payee, "rosa") is None
    again = story.recipient("rosa", 4000)
    assert again != rosa
    story.cash_out("d2", 1000, 100, commission_sat=100)
    assert story.owed(again) == 40
    assert story.findings() == ()


def test_who_gets_commission_is_not_closed(story):
    ana, rosa = story.client("ana"), story.recipient("rosa", 4000)
    story.percent(ana, 500)
    assert not story.do(lambda tx: commission.close_spent(tx, clients.by_id(tx, rosa)))
    for payee in (ana, rosa):
        with pytest.raises(sqlite3.IntegrityError, match="who gets commission stays"):
            story.state(payee, "closed")
    story.percent(ana, 0)
    story.state(ana, "closed")


def test_unsent_payouts_follow_a_recipient_to_a_new_destination(story):
    rosa = story.recipient("rosa", 4000)
    for id_ in ("d1", "d2"):
        story.cash_out(id_, 1000, 100, commission_sat=100)
    sent, waiting = story.payouts(rosa)
    story.bring(sent.id, "SUBMITTED")
    story.do(clients.set_destination, rosa, NEW_PLACE)
    assert story.payout(sent.id).destination.value == KEY.value
    assert story.payout(waiting.id).destination.value == NEW_PLACE.value


def test_small_commission_adds_up_apart_from_what_was_bought(story):
    ana = story.client("ana", balance=9000_00, destination=Destination(ADDRESS, "a@b.example", 60))
    story.percent(ana, 5000)
    for number in range(1, 4):
        story.cash_out(f"d{number}", 50, 100, commission_sat=50)
    paid = {payout.distribution_ids for payout in story.payouts(ana)}
    assert paid == {("d1", "d2"), ("commission:d1", "commission:d2", "commission:d3")}
    assert story.findings() == ()


def test_a_cancelled_commission_payout_gives_its_sats_to_the_operator(story):
    ana = story.client("ana", balance=100_00)
    story.percent(ana, 4000)
    story.cash_out("d1", 0, 100, commission_sat=100)
    (payout,) = story.payouts(ana)
    assert payout.is_commission
    story.do(booking.cancel, payout, now=story.now)
    assert (story.total(accounts.OPERATOR), story.balance(ana)) == (40, 100_00)
    assert story.read(purchases.got, ana).earned_sat == 0
    assert story.findings() == ()


def test_commission_counts_as_earned_not_as_bought(story):
    ana = story.client("ana", balance=100_00)
    story.percent(ana, 4000)
    story.cash_out("d1", 1000, 10_00, commission_sat=100)
    assert story.read(purchases.got, ana) == Got(bought_sat=1000, spent_minor=10_00, earned_sat=40)
    lines = story.read(purchases.history, ana, limit=5)
    assert {(line.kind, line.minor, line.sat) for line in lines} == {
        ("flow", 10_00, 1000),
        ("commission", 0, 40),
    }


# What the schema refuses: on a ledger where rosa (1) gets 40 % by version 1, with the cash-out d1 of
# 1000 and 100 sats of commission (split), and d2 of 1000 and 100, not split.
SHARE = (
    "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('commission:d2', {}, 0, {})"
)
VERSION = (
    "INSERT INTO commission_terms (id, set_at, after_posting) SELECT {}, 0, max(id) FROM posting"
)
SPLIT = (
    "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
    " commission_sat, unallocated_sat, terms_id)"
    " VALUES ('commission:d2', 'commission', {at}, 0, {values})"
)
AT = "(SELECT at FROM cash_out)"
ATTACKS = {
    "a part of a closed version": (
        ["INSERT INTO commission_part VALUES (1, 2, 100)"],
        "these terms are closed",
    ),
    "a part that grows": (
        ["UPDATE commission_part SET percent_bp = 41"],
        "parts are never altered",
    ),
    "a part that goes": (["DELETE FROM commission_part"], "parts are never deleted"),
    "a version altered": (["UPDATE commission_terms SET set_at = 1"], "terms are never altered"),
    "a version gone": (["DELETE FROM commission_terms"], "terms are never deleted"),
    "a version from before the last posting": (
        ["INSERT INTO commission_terms (id, set_at, after_posting) VALUES (2, 0, 0)"],
        "a version comes after all postings so far",
    ),
    "a version left out": (
        [VERSION.format(3)],
        "versions follow each other",
    ),
    "more than everything": (
        [
            "INSERT INTO commission_part VALUES (2, 1, 6000), (2, 2, 4001)",
            VERSION.format(2),
        ],
        "no more than all of the commission",
    ),
    "nothing at all": (
        ["INSERT INTO commission_part VALUES (2, 1, 0)"],
        "CHECK constraint failed: percent_bp",
    ),
    "a part for nobody": (
        [
            "INSERT INTO commission_part VALUES (2, 99, 10)",
            VERSION.format(2),
        ],
        "FOREIGN KEY constraint failed",
    ),
    "a part without a version": (
        ["INSERT INTO commission_part VALUES (2, 1, 10)"],
        "FOREIGN KEY constraint failed",
    ),
    "a split without a version": (
        [SPLIT.format(at=AT, values="100, 0, 0, 100, NULL")],
        "split by the newest terms",
    ),
    "a flow by terms": (
        [
            "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
            " commission_sat, unallocated_sat, terms_id) VALUES ('x', 'flow', 0, 0, 0, 1, 0, 0, 1)"
        ],
        "split by the newest terms",
    ),
    "a split of more than the commission": (
        [SHARE.format(1, 40), SPLIT.format(at=AT, values="101, 0, 0, 61, 1")],
        "of the commission of one cash-out",
    ),
    "a split at another time": (
        [SHARE.format(1, 40), SPLIT.format(at="7", values="100, 0, 0, 60, 1")],
        "of the commission of one cash-out",
    ),
    "a split that charges fiat": (
        [SHARE.format(1, 40), SPLIT.format(at=AT, values="100, 1, 0, 60, 1")],
        "nobody is charged fiat",
    ),
    "a split that leaves somebody out": (
        [SPLIT.format(at=AT, values="100, 0, 0, 100, 1")],
        "the commission is split by percent",
    ),
    "a split that gives somebody more": (
        [
            SHARE.format(1, 41),
            SPLIT.format(at=AT, values="100, 0, 0, 59, 1"),
        ],
        "the commission is split by percent",
    ),
    "a split that gives somebody else a part": (
        [
            SHARE.format(1, 40),
            SHARE.format(2, 1),
            SPLIT.format(at=AT, values="100, 0, 0, 59, 1"),
        ],
        "the commission is split by percent",
    ),
    "a part of a principal for a recipient": (
        [
            "INSERT INTO share (distribution_id, client_id, minor, sat) VALUES ('x', 1, 0, 5)",
            "INSERT INTO distribution (id, kind, at, processed_at, principal_sat, principal_minor,"
            " commission_sat, unallocated_sat) VALUES ('x', 'flow', 0, 0, 5, 1, 0, 0)",
        ],
        "a recipient gets commission only",
    ),
    "a split twice": (
        [
            "INSERT INTO share (distribution_id, client_id, minor, sat)"
            " VALUES ('commission:d1', 1, 0, 40)",
        ],
        "this distribution is closed",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_schema_refuses_commission_that_is(story, attack):
    rosa = story.recipient("rosa")
    story.client("ana")
    story.cash_out("d2", 1000, 100, commission_sat=100)
    story.percent(rosa, 4000)
    story.cash_out("d1", 1000, 100, commission_sat=100)
    statements, refusal = ATTACKS[attack]

    def strike(tx):
        for statement in statements:
            tx.execute(statement)

    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        story.do(strike)
    assert story.findings() == ()


def test_no_payout_mixes_commission_with_what_was_bought(story):
    ana = story.client("ana", balance=9000_00)
    story.percent(ana, 5000)
    story.cash_out("d1", 100, 100, commission_sat=100)
    story.sql("UPDATE client SET destination_min_sat = 99999")
    story.cash_out("d2", 100, 100, commission_sat=100)
    for bought, earned in (("d1", "commission:d2"), ("commission:d1", "d2")):
        with pytest.raises(sqlite3.IntegrityError, match="commission is paid apart"):
            story.sql(
                "UPDATE share SET payout_id = (SELECT payout_id FROM share WHERE distribution_id = ?)"
                " WHERE distribution_id = ?",
                bought,
                earned,
            )


def test_who_is_closed_gets_no_commission(story):
    ana = story.client("ana")
    story.state(ana, "closed")
    with pytest.raises(sqlite3.IntegrityError, match="who is closed gets no commission"):
        story.percent(ana, 100)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    commission_sat=st.one_of(
        st.integers(0, 30), st.integers(0, 10**7), st.integers(0, 21 * 10**14)
    ),
    wanted=st.lists(st.one_of(st.just(0), st.integers(1, 4000)), min_size=1, max_size=3),
)
def test_any_split_adds_up_and_satisfies_schema_and_audit(story, commission_sat, wanted):
    """The program's split, the schema's check and the audit's own split agree, whatever the numbers."""
    for name in ("ana", "ben", "cam"):
        if story.read(client_names.payee, name) is None:
            story.recipient(name)
    payees = [story.read(client_names.payee, name) for name in ("ana", "ben", "cam")]
    for payee, percent_bp in zip(payees, wanted, strict=False):
        if percent_bp <= story.read(commission.in_force).rest_bp:
            story.percent(payee.id, percent_bp)
    id_ = f"d{hex_of(str(story.later(seconds=1)))}"
    story.cash_out(id_, 0, 1, commission_sat=commission_sat)
    found = split(story, id_)
    if found is not None:
        assert sum(found[0].values()) + found[1] == commission_sat
    assert story.findings() == ()
