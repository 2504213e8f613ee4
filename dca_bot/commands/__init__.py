"""The commands of the command line beside `run`: a file for each group of commands."""
