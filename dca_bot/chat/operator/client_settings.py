"""What an operator sets for a client: the name, the language, the digests, and the operators' own note.

The invariant: no code or question that names a client survives a change of that name.
"""

from dca_bot.chat.client.language import LANGUAGE_CHOICE
from dca_bot.chat.client.notify import NOTIFY_CHOICE, notify_how
from dca_bot.chat.command import Args, Command, Context, Done
from dca_bot.chat.operator.find import find_client, find_client_or_closed
from dca_bot.chat.operator.names import refuse_taken_name
from dca_bot.chat.params import Param, read_name, read_note
from dca_bot.core.clients import Notify
from dca_bot.core.names import skeleton
from dca_bot.ledger.correspondence import confirmations, payout_notices, questions
from dca_bot.ledger.programme import client_names, clients, commission
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import LanguageName, Say

_NAME = Param("NAME", read_name)
_NEW_NAME = Param("NEW_NAME", read_name, is_new_name=True)
_NOTE = Param("NOTE", read_note, optional=True, rest=True)
_NO_NOTE = "off"


def _rename_plan(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the old and the new name of a client."""
    client = find_client(tx, args.text("NAME"))
    name = refuse_taken_name(tx, args.text(_NEW_NAME.name), of=client)
    return Say("client.rename_effect", name=client.name, new=name)


def _rename_apply(tx: Tx, ctx: Context, args: Args, _seen: object) -> Done:
    """Give a client another name, and tell the client; codes that name the client become void."""
    client = find_client(tx, args.text("NAME"))
    name = refuse_taken_name(tx, args.text(_NEW_NAME.name), of=client)
    for former in client_names.alike(tx, name):
        if former.id != client.id:
            commission.close_spent(tx, former)
    clients.rename(tx, client, name)
    for operator in ctx.programme.operators:
        _forget(tx, ctx, operator, {skeleton(client.name), skeleton(name)})
    ctx.notices.tell_client(tx, client, Say("notice.renamed", name=name), ctx.now)
    return Done(Say("client.rename_done", old=client.name, name=name))


def _forget(tx: Tx, ctx: Context, operator: str, names: set[str]) -> None:
    """Void an operator's open codes and question in which one of some names stands."""
    for code in confirmations.open_codes(tx, operator, now=ctx.now):
        if not names.isdisjoint(_words(code.command)):
            confirmations.drop(tx, code)
    if not names.isdisjoint(_words(questions.still_open(tx, operator, now=ctx.now))):
        questions.close(tx, operator)


def _words(command: str) -> set[str]:
    return {skeleton(word.removeprefix("@").rstrip(",:;")) for word in command.split()}


def _language_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set the language of a client's messages; without a language tell the present one."""
    client, language = find_client(tx, args.text("NAME")), args.text(LANGUAGE_CHOICE.name)
    if language in ("", client.language):
        present = LanguageName(client.language)
        return Say("client.language_is", name=client.name, language=present)
    clients.set_language(tx, client.id, language)
    told = LanguageName(language)
    client = clients.by_id(tx, client.id)
    ctx.notices.tell_client(tx, client, Say("notice.language_set", language=told), ctx.now)
    return Say("client.language_done", name=client.name, language=told)


def _notify_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Set how often a client is told of payouts; without an argument tell how often.

    Payouts that waited for a digest are told before, unless the client is told of none any more.
    """
    client, wanted = find_client(tx, args.text("NAME")), args.text(NOTIFY_CHOICE.name)
    notify = Notify(wanted) if wanted else client.notify
    how = notify_how(notify, ctx.programme)
    if notify is client.notify:
        return Say("client.notify_is", name=client.name, how=how)
    if notify is not Notify.OFF:
        ctx.notices.clients.digest(tx, client.id, ctx.now)
    payout_notices.set_wish(tx, client, notify)
    ctx.notices.tell_client(tx, client, Say("notice.notify_set", how=how), ctx.now)
    return Say("client.notify_done", name=client.name, how=how)


def _note_answer(tx: Tx, _ctx: Context, args: Args, _seen: object) -> Say:
    """Note something about a client for the operators alone; `off` takes the note away, nothing tells it."""
    client, note = find_client_or_closed(tx, args.text("NAME")), args.text("NOTE")
    before = clients.note(tx, client.id)
    if before and not note:
        return Say("client.note_is", name=client.name, note=before)
    note = "" if note.casefold() == _NO_NOTE else note
    clients.set_note(tx, client.id, note)
    if note:
        return Say("client.note_done", name=client.name, note=note)
    if before:
        return Say("client.note_gone", name=client.name, note=before)
    return Say("client.note_none", name=client.name)


CLIENT_SETTINGS = (
    Command(("client", "rename"), (_NAME, _NEW_NAME), plan=_rename_plan, apply=_rename_apply),
    Command(("client", "language"), (_NAME, LANGUAGE_CHOICE), answer=_language_answer),
    Command(("client", "notify"), (_NAME, NOTIFY_CHOICE), answer=_notify_answer),
    Command(("client", "note"), (_NAME, _NOTE), answer=_note_answer),
)
