"""Subscriptions at one relay (NIP-01), without I/O: the bot's inbox, pages of stored events, queries.

The inbox's subscription goes through

    waiting ──EOSE, or silence──▶ live ──CLOSED──▶ closed ──wake-up or authentication──▶ waiting

The inbox is asked for again after every CLOSED, for as long as the connection lives, and now and then
while live: some relays answer pings, but pass nothing on. Pages and queries are errands. Each has a
separate subscription, or uses the inbox's at a relay that grants a connection a single subscription. The
inbox's request then has two filters: the errand's, and a filter for new messages.
"""

from random import Random

from dca_bot.nostr.relays import frames
from dca_bot.nostr.relays.actions import Action, Deliver, Drop, Queried, Send, WakeIn
from dca_bot.nostr.relays.errands import TRIES_MAX, End, Errand, Errands, is_about_subscriptions
from dca_bot.nostr.relays.inbox_reading import InboxReading
from dca_bot.nostr.relays.inbox_subscription import InboxSubscription, State
from dca_bot.nostr.relays.relay_habits import RelayHabits

_QUERY_LIMIT_S = 8
_INBOX = "inbox"
_FIRST = "first"
_PAGE = "page"
_QUERY = "query"


class Subscriptions:
    """The state of one connection's subscriptions; methods append to `actions` for the shell.

    `since`: the time (seconds, NIP-01) from which the bot's inbox is read; None reads no inbox.
    """

    def __init__(
        self,
        pubkey: str,
        random: Random,
        actions: list[Action],
        *,
        since: int | None,
        habits: RelayHabits,
    ) -> None:
        self._actions = actions
        self._habits = habits
        self._inbox = None if since is None else InboxSubscription(random, habits)
        self._reading = InboxReading(pubkey, since or 0, actions)
        self._errands = Errands(random, actions)
        self._frames = 0
        self._reads_again = False
        self.notice = ""

    @property
    def listening(self) -> bool:
        """Tell whether new messages arrive here."""
        return self._inbox is not None and self._inbox.is_heard

    @property
    def up_to_date(self) -> bool:
        """Tell whether all stored events of the inbox were delivered and the inbox is live."""
        inbox = self._inbox
        return inbox is not None and inbox.was_read and inbox.is_live and not inbox.is_mute

    @property
    def is_mute(self) -> bool:
        """Tell whether the relay has said nothing to the last reading of the inbox."""
        return self._inbox is not None and self._inbox.is_mute

    @property
    def complaint(self) -> str:
        """Return the relay's words about the inbox's last end; '' for an inbox that is live for good."""
        return "" if self._inbox is None else self._inbox.complaint

    def start(self) -> None:
        """Ask for the inbox, if the bot reads here."""
        if self._inbox is not None:
            self._read(self._inbox)

    def query(self, wanted: frames.Filter) -> str:
        """Ask once for stored events; return the name that the action Queried will carry."""
        errand = self._errands.make(_QUERY, wanted, _QUERY_LIMIT_S)
        self._run(errand)
        return errand.name

    def abandon(self, name: str) -> None:
        """Forget a query that waits to be asked."""
        self._errands.abandon(name)

    def on_frame(self) -> None:
        """Note that the relay is sending."""
        self._frames += 1

    def on_event(self, frame: frames.EventFrame, now_s: int) -> None:
        """Deliver an event of the inbox; keep an event of a query until the query ends."""
        inbox, name = self._inbox, frame.subscription
        errand = self._errands.get(name)
        if inbox is not None and name == _INBOX:
            errand = inbox.errand
            if errand is not None and not errand.is_page and self._reading.is_message(frame.event):
                errand = None
        if errand is not None and not errand.is_page:
            errand.collect(frame.event)
        elif inbox is not None and name.startswith((_INBOX, _PAGE)):
            if errand is not None:
                self._reading.observe(frame.event)
            # A page's subscription may have been given up while its events were under way.
            is_of_page = errand is not None or name.startswith(_PAGE)
            inbox.note(frame.event.id, is_stored=is_of_page)
            self._actions.append(Deliver(frame.event, is_of_page or inbox.may_be_late(now_s)))

    def on_end_of_stored(self, name: str, now_s: int) -> None:
        """End a query or a page; the inbox becomes live, and its first page ends."""
        errand = self._errands.get(name)
        if errand is not None and errand.is_open:
            self._errands.end(errand)
            self._own_ended(errand, End.DONE)
        elif name == _INBOX and self._inbox is not None:
            self._inbox_ended(self._inbox, now_s)

    def on_closed(self, name: str, reason: str, now_s: int) -> None:
        """Ask again later, after a growing, jittered delay; give a page or query up after three tries."""
        errand = self._errands.get(name)
        if errand is not None and errand.is_open:
            end = self._errands.on_closed(errand, reason)
            if end is not None:
                self._own_ended(errand, end)
        elif name == _INBOX and self._inbox is not None and self._inbox.state is not State.CLOSED:
            self._inbox_closed(self._inbox, reason, now_s)

    def on_notice(self, words: str) -> None:
        """Share the inbox's subscription if the relay says that it grants no further subscription."""
        self.notice = words
        if is_about_subscriptions(words) and self._inbox is not None and len(self._errands):
            self._share(self._errands.end_all())

    def on_authenticated(self) -> None:
        """Ask again for all that the relay may have refused, or hidden, for want of authentication."""
        self._errands.on_authenticated(self._frames)
        inbox = self._inbox
        if inbox is None:
            return
        if inbox.state is not State.CLOSED:
            # Some relays close nothing, and hide private messages from whoever hasn't authenticated.
            self._reads_again = True
            if inbox.is_idle:
                self._read(inbox)
        elif inbox.wants_auth:
            self._read(inbox)

    def wake(self, name: str, turn: int, now_s: int) -> None:
        """Reopen a closed subscription, end one that the relay never answered, or renew the inbox.

        A `turn` that is no longer the subscription's changes nothing.
        """
        errand, inbox = self._errands.get(name), self._inbox
        if errand is not None and errand.turn == turn:
            end = self._errands.wake(errand, self._frames)
            if end is not None:
                self._own_ended(errand, end)
        elif name == _INBOX and inbox is not None and inbox.turn == turn:
            self._wake_inbox(inbox, now_s)

    # The inbox -------------------------------------------------------------------------------------------

    def _read(self, inbox: InboxSubscription) -> None:
        """Ask for the inbox; stored events that come with it are the first page."""
        self._reads_again = False
        self._drop_pages()
        wanted = self._reading.begin()
        self._open(inbox, self._page(inbox, _FIRST, wanted))

    def _open(self, inbox: InboxSubscription, errand: Errand, *more: frames.Filter) -> None:
        """Send the inbox's request with an errand's filter, in place of the request before."""
        inbox.open(errand)
        errand.begin_waiting(self._frames)
        self.notice = ""
        if self._habits.closes_first:
            self._send(frames.close_frame(_INBOX))
        self._send(frames.request_frame(_INBOX, errand.filter, *more))
        self._actions.append(WakeIn(errand.limit_s, _INBOX, inbox.turn))

    def _inbox_ended(
        self, inbox: InboxSubscription, now_s: int, *, is_assumed: bool = False
    ) -> None:
        """Go on after the stored events of the inbox's request; `is_assumed`: the relay fell silent."""
        if inbox.state is State.CLOSED:
            return
        if inbox.errand is None:
            # The end was taken from silence, and comes only now: there may be more pages.
            if inbox.is_assumed and not self._habits.slow:
                self._habits.no_eose, self._habits.slow = False, True
                self._read(inbox)
            return
        errand = inbox.go_live(now_s, is_assumed=is_assumed)
        reads_again = self._reads_again
        if errand is not None and not (reads_again and errand.is_page):
            self._settle(errand, End.SILENCE if is_assumed else End.DONE)
        if reads_again:
            self._read(inbox)
            return
        self._next()
        if inbox.is_idle:
            self._actions.append(WakeIn(inbox.rest_s, _INBOX, inbox.turn))

    def _inbox_closed(self, inbox: InboxSubscription, reason: str, now_s: int) -> None:
        """Prepare to read the inbox again from before the interruption: wraps are dated back."""
        # Some relays end each subscription with the stored events: pages go on without the inbox.
        keeps_pages = inbox.is_live and self._errands.has_page()
        errand = inbox.close(reason, now_s, keeps_pages=keeps_pages)
        if not keeps_pages:
            self._drop_pages()
        if (inbox.was_read and not inbox.is_mute) or keeps_pages:
            self._reading.next_from(now_s, when_read=keeps_pages)
            inbox.was_read = False
        if errand is not None and errand.name.startswith((_PAGE, _QUERY)):
            self._give_back(errand)
        if reason.startswith("duplicate:") and not self._habits.closes_first:
            self._habits.closes_first = True
            self._read(inbox)
            return
        if inbox.wants_auth and inbox.failures > TRIES_MAX:
            self._actions.append(Drop(reason))
        self._actions.append(WakeIn(inbox.retry_s, _INBOX, inbox.turn))

    def _drop_pages(self) -> None:
        """End the reading: pages belong to the inbox that was closed, and the next has a first page."""
        self._errands.drop_pages()
        self._reading.drop()

    def _give_back(self, errand: Errand) -> None:
        """Have an errand tried again that ended the inbox's subscription, up to three times."""
        errand.failures += 1
        if errand.is_page:
            self._reading.refuse()
        elif errand.failures < TRIES_MAX:
            self._errands.queue.append(errand)
        else:
            self._settle(errand, End.FAILED)

    def _wake_inbox(self, inbox: InboxSubscription, now_s: int) -> None:
        if inbox.state is State.CLOSED and self._errands.has_page():
            self._actions.append(WakeIn(inbox.retry_s, _INBOX, inbox.turn))
        elif inbox.state is State.CLOSED:
            self._read(inbox)
        elif inbox.errand is None:
            self._renew(inbox, now_s)
        elif inbox.errand.is_being_sent(self._frames):
            self._actions.append(WakeIn(inbox.errand.quiet_s, _INBOX, inbox.turn))
        elif self.notice and not inbox.is_live and not self._reading.has_delivered:
            # Some relays refuse a subscription by a notice alone.
            self._inbox_closed(inbox, self.notice, now_s)
        else:
            self._inbox_ended(inbox, now_s, is_assumed=True)

    def _renew(self, inbox: InboxSubscription, now_s: int) -> None:
        """Ask a live relay again that has passed nothing on for a while."""
        if inbox.passed_on or self._reading.is_under_way or len(self._errands):
            inbox.passed_on = False
            self._actions.append(WakeIn(inbox.rest_s, _INBOX, inbox.turn))
            return
        if inbox.was_read and not inbox.is_mute:
            self._reading.next_from(now_s)
        inbox.is_renewal = True
        self._read(inbox)

    # Pages and queries -----------------------------------------------------------------------------------

    def _page(self, inbox: InboxSubscription, purpose: str, wanted: frames.Filter) -> Errand:
        return self._errands.make(purpose, wanted, inbox.limit_s, inbox.quiet_s, is_page=True)

    def _run(self, errand: Errand) -> None:
        is_crowded = self._inbox is not None or len(self._errands)
        if self._habits.one_subscription and is_crowded:
            self._errands.queue.append(errand)
            self._next()
        else:
            self._errands.ask(errand, self._frames)

    def _share(self, errands: list[Errand]) -> None:
        """Use the inbox's subscription from now on: the relay grants no second."""
        self._habits.one_subscription = True
        self._errands.queue.extend(errands)
        self._next()

    def _next(self) -> None:
        """Start the next errand that waits for the only subscription."""
        inbox = self._inbox
        if not self._errands.queue:
            return
        if inbox is None and not len(self._errands):
            self._errands.ask(self._errands.queue.popleft(), self._frames)
        elif inbox is not None and inbox.is_live and inbox.errand is None:
            self._open(inbox, self._errands.queue.popleft(), self._reading.live_filter())

    def _own_ended(self, errand: Errand, end: End) -> None:
        """Go on after an errand's own subscription ended; the inbox's may serve in its place."""
        inbox = self._inbox
        is_ignored = end is End.SILENCE and not self._habits.no_eose
        is_refused = end is End.FAILED and errand.is_page and not self._reading.was_refused
        if inbox is None:
            can_share = end is End.CROWDED and len(self._errands) > 0
        else:
            can_share = end is End.CROWDED or ((is_ignored or is_refused) and inbox.is_live)
        if can_share:
            self._share([errand])
        else:
            self._settle(errand, end)
            self._next()

    def _settle(self, errand: Errand, end: End) -> None:
        """Go on with the next page, or with the answer to a query."""
        if errand.is_page:
            self._turn_page(end)
            return
        is_told = end is End.DONE or (end is End.SILENCE and bool(errand.events))
        self._actions.append(Queried(errand.name, errand.events, is_told))

    def _turn_page(self, end: End) -> None:
        inbox = self._inbox
        if inbox is None or not self._reading.is_under_way:
            return
        wanted = self._reading.turn(end)
        if wanted is not None:
            self._run(self._page(inbox, _PAGE, wanted))
        else:
            inbox.end_reading(pages=self._reading.pages, complete=self._reading.is_complete)

    def _send(self, text: str) -> None:
        self._actions.append(Send(text))
