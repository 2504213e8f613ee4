"""The operator's decisions about holds: a file for each kind of hold, and the commands."""
