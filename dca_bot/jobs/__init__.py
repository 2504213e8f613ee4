"""What runs all the time, each job beside the others; they wake each other by `signals`.

Money: `ingest` reads and shares out, `schedule` buys in fixed mode, `settle` pays. Messages: `converse`
answers, `deliver` sends, `digests` and `summary` write at their hours. `watch` raises alarms, `keep`
copies the ledger.
"""
