"""How every verb starts and fails: errors a user can act on print without a traceback and exit with 2."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from wsol.errors import WsolError
from wsol.lineage import end_with_run
from wsol.warm.client import hand_over

NOT_VERBS = {"common", "entry"}


def main() -> NoReturn:
    """`wsol <verb> …`: the console script."""
    verbs = verb_names()
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: wsol <verb> [options]; `wsol <verb> --help` explains a verb\n")
        for verb in verbs:
            module = importlib.import_module(f"wsol.cli.{verb}")
            print(f"  {verb:<10} {(module.__doc__ or '').strip().splitlines()[0]}")
        raise SystemExit(0)
    verb = arguments[0]
    if verb not in verbs:
        print(f"wsol: no verb {verb!r}; there is {', '.join(verbs)}", file=sys.stderr)
        raise SystemExit(2)
    enter(importlib.import_module(f"wsol.cli.{verb}").main, arguments[1:])


def verb_names() -> list[str]:
    folder = str(Path(__file__).parent)
    return sorted(module.name for module in pkgutil.iter_modules([folder]) if module.name not in NOT_VERBS)


def enter(verb: Callable[[list[str]], int], arguments: list[str] | None = None) -> NoReturn:
    """Run a verb's `main` and exit with its code, in a child of the run's server where there is one (`wsol.warm`)."""
    if arguments is None:
        hand_over()
    end_with_run()
    try:
        raise SystemExit(verb(sys.argv[1:] if arguments is None else arguments))
    except WsolError as error:
        print(f"wsol: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        # Whoever read the output is gone (`wsol trace … | head`); closing stderr keeps Python from complaining.
        sys.stderr.close()
        raise SystemExit(1) from None
