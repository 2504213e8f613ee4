"""Cash-outs, and the distributions of cash-outs, fixed runs and commissions; recovery after a restore."""
