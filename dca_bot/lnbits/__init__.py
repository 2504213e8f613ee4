"""Paying through LNbits and asking Lightning addresses for invoices."""
