"""The table of the operators' commands, in the groups of `help`."""

from dca_bot.chat.general import GENERAL_COMMANDS
from dca_bot.chat.operator.cash_outs import CASH_OUT_COMMANDS
from dca_bot.chat.operator.client_settings import CLIENT_SETTINGS
from dca_bot.chat.operator.clients import CLIENT_MANAGEMENT
from dca_bot.chat.operator.commission import COMMISSION_COMMANDS
from dca_bot.chat.operator.deposits import DEPOSIT_COMMANDS
from dca_bot.chat.operator.fixed import FIXED_COMMANDS
from dca_bot.chat.operator.funds import FUNDS_COMMANDS
from dca_bot.chat.operator.holds.commands import HOLD_COMMANDS
from dca_bot.chat.operator.knocks import KNOCKS
from dca_bot.chat.operator.log import LOG
from dca_bot.chat.operator.machine_cash import MACHINE_COMMANDS
from dca_bot.chat.operator.messages import MESSAGE_COMMANDS
from dca_bot.chat.operator.payouts import PAYOUT_COMMANDS
from dca_bot.chat.operator.settling import SETTLE
from dca_bot.chat.operator.status import HOUSE_COMMANDS
from dca_bot.chat.operator.takings import TAKINGS_COMMANDS
from dca_bot.chat.operator.withdrawals import WITHDRAW
from dca_bot.chat.price import PRICE

OPERATOR_GROUPS = {
    "help.clients": (*CLIENT_MANAGEMENT, *CLIENT_SETTINGS, KNOCKS),
    "help.deposits": (*DEPOSIT_COMMANDS, WITHDRAW),
    "help.machines": MACHINE_COMMANDS,
    "help.cash_outs": (*CASH_OUT_COMMANDS, *HOLD_COMMANDS),
    "help.commission": COMMISSION_COMMANDS,
    "help.fixed": (*FIXED_COMMANDS, SETTLE),
    "help.payouts": PAYOUT_COMMANDS,
    "help.funds": FUNDS_COMMANDS,
    "help.takings": (*TAKINGS_COMMANDS, PRICE),
    "help.house": HOUSE_COMMANDS,
    "help.messages": (*MESSAGE_COMMANDS, LOG),
    "help.general": GENERAL_COMMANDS,
}
OPERATOR_COMMANDS = tuple(command for group in OPERATOR_GROUPS.values() for command in group)
