"""What Lamassu sold and who got which share: cash-outs, distributions, fixed runs, recovery."""
