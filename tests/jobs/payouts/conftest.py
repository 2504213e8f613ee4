"""A simulated LNbits in the place of the real one, where DCA_BOT_SIMULATED_LNBITS says so: mutation runs."""

import os

if os.environ.get("DCA_BOT_SIMULATED_LNBITS"):
    from mutation.simulated_lnbits import balance_sat, make_bench, simulated, wallets  # noqa: F401
