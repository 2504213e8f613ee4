"""What an operator can type: the whole table."""

from dca_bot.chat.general import GENERAL_COMMANDS
from dca_bot.chat.operator_cash import MACHINE_COMMANDS
from dca_bot.chat.operator_cash_outs import CASH_OUT_COMMANDS
from dca_bot.chat.operator_clients import CLIENT_MANAGEMENT
from dca_bot.chat.operator_commission import COMMISSION_COMMANDS
from dca_bot.chat.operator_deposits import CASH_COMMANDS
from dca_bot.chat.operator_fixed import FIXED_COMMANDS
from dca_bot.chat.operator_funds import FUNDS_COMMANDS
from dca_bot.chat.operator_house import HOUSE_COMMANDS
from dca_bot.chat.operator_messages import MESSAGE_COMMANDS
from dca_bot.chat.operator_payouts import PAYOUT_COMMANDS

OPERATOR_COMMANDS = (
    *CLIENT_MANAGEMENT,
    *CASH_COMMANDS,
    *MACHINE_COMMANDS,
    *CASH_OUT_COMMANDS,
    *COMMISSION_COMMANDS,
    *FIXED_COMMANDS,
    *PAYOUT_COMMANDS,
    *FUNDS_COMMANDS,
    *HOUSE_COMMANDS,
    *MESSAGE_COMMANDS,
    *GENERAL_COMMANDS,
)
