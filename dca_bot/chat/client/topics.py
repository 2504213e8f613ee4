"""The topics: what clients ask and what is always answered alike.

A topic is a row here, example sentences in each language (`en.topics.examples.txt`), and a text. The texts
say only what holds for each programme, or what the programme's configuration says.
"""

from collections.abc import Callable, Mapping

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.parsing import Invocation
from dca_bot.core.clients import Mode
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Fiat, Percent, Sat, Say


def _cost(ctx: Context) -> Say:
    margin_bp = ctx.programme.fixed.margin_bp
    if ctx.me.mode is Mode.FIXED and margin_bp:
        return Say("topic.cost_margin", percent=Percent(margin_bp))
    rate = Say("topic.rate_fixed" if ctx.me.mode is Mode.FIXED else "topic.rate_flow")
    return Say("topic.cost", rate=rate)


def _how(ctx: Context) -> Say:
    rules = ctx.programme
    if ctx.me.mode is Mode.FIXED:
        fixed = Say("welcome.fixed", margin=describe.margin(rules.fixed))
        buys = fixed if rules.fixed.enabled else Say("welcome.off")
    else:
        buys = Say("welcome.flow") if rules.flow_enabled else Say("welcome.off")
    return Say("topic.how", buys=buys)


def _least(ctx: Context) -> Say:
    min_sat = ctx.me.destination.min_sat if ctx.me.destination else 1
    kept = Say("topic.least_kept", least=Sat(min_sat)) if min_sat > 1 else NOTHING
    is_fixed = ctx.me.mode is Mode.FIXED and ctx.programme.fixed.enabled
    most = Fiat(ctx.programme.fixed.daily_limit_max_minor)
    return Say("topic.least", kept=kept, most=Say("topic.most", most=most) if is_fixed else NOTHING)


TOPICS: Mapping[str, Callable[[Context], Say]] = {
    "how": _how,
    "cost": _cost,
    "safe": lambda _ctx: Say("topic.safe"),
    "codes": lambda _ctx: Say("topic.codes"),
    "phone": lambda _ctx: Say("topic.phone"),
    "stop": lambda _ctx: Say("topic.stop"),
    "least": _least,
    "bitcoin": lambda _ctx: Say("topic.bitcoin"),
    "falls": lambda _ctx: Say("topic.falls"),
    "who": lambda _ctx: Say("topic.who"),
}
"""The answer to each topic."""


def topic_told(name: str) -> Invocation:
    """Return the answer to a topic."""
    return Invocation(_TOPIC, Args({"TOPIC": name}), "")


def _answer(_tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    return TOPICS[args.text("TOPIC")](ctx)


_TOPIC: Command[None] = Command(("topic",), answer=_answer)
