"""Search hyperparameters: try one draw, choose among all, record what was tried, or adopt the chosen values."""

from __future__ import annotations

import importlib

from wsol.errors import ParameterError

VERBS = ("draw", "choose", "record", "adopt")


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in VERBS:
        if argv and argv[0] not in ("-h", "--help"):
            raise ParameterError(f"wsol search: no verb {argv[0]!r}; there is {', '.join(VERBS)}")
        print(f"usage: wsol search {{{','.join(VERBS)}}} [options]\n\n{__doc__}")
        return 0
    return int(importlib.import_module(f"wsol.cli.search.{argv[0]}").main(argv[1:]))
