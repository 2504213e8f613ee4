"""Reads the Lamassu server: cash-outs become distributions, cash is counted, changes are noticed."""
