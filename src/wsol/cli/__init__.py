"""The command line: `wsol <verb> …` or `python -m wsol.cli.<verb> …`, one thin module a verb."""
