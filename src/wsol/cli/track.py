"""`wsol track`: bring what jobs wrote down into MLflow, see how far that is, and tidy up."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from wsol.cli.entry import enter
from wsol.errors import WsolError
from wsol.tracking.places import tracking_folder, tracking_uri


def main(argv: list[str]) -> int:
    """Run `wsol track` with these arguments; the exit code is 1 where a journal could not be imported."""
    options = _parser().parse_args(argv)
    folder = options.folder or tracking_folder()
    try:
        if options.verb == "status":
            return _status(folder)
        if options.verb == "tidy":
            return _tidy(folder, options.hours, options.prune)
        return _sync(folder, full=options.full, wait=options.wait, quiet=options.quiet)
    except WsolError:
        raise
    except Exception as error:  # mlflow and its database raise many kinds, and a user can do the same about each
        print(f"wsol track: {tracking_uri(folder)}: {error}; results are not affected", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wsol track", description=__doc__)
    parser.add_argument("--folder", type=Path, help="tracking folder (default: WSOL_MLFLOW_DIR, else mlflow)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    sync = verbs.add_parser("sync", help="import what is new; running it twice adds nothing")
    sync.add_argument("--full", action="store_true", help="look at every journal again (for a store that lost runs)")
    sync.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="to wait for another sync (60)")
    sync.add_argument("--quiet", action="store_true", help="print only problems")
    verbs.add_parser("status", help="how many runs there are, and what is not imported yet")
    tidy = verbs.add_parser("tidy", help="close runs that are shown as running but whose job is gone")
    tidy.add_argument("--hours", type=float, default=24.0, help="silence after which a job counts as gone (default 24)")
    tidy.add_argument("--prune", action="store_true", help="also delete journals that are wholly imported and ended")
    return parser


def _sync(folder: Path, *, full: bool, wait: float, quiet: bool) -> int:
    from wsol.tracking.sync import sync

    began = time.monotonic()
    outcome = sync(folder, tracking_uri(folder), full=full, wait=wait)
    if not quiet:
        print(f"{outcome.sentence()} ({time.monotonic() - began:.1f} s)")
    for problem in outcome.problems:
        print(f"wsol track: {problem}", file=sys.stderr)
    return 1 if outcome.problems else 0


def _status(folder: Path) -> int:
    from wsol.tracking.places import journal_folder
    from wsol.tracking.reader import journals
    from wsol.tracking.sync import load_state, pending

    state = load_state(folder, tracking_uri(folder))
    found = journals(journal_folder(folder))
    print(f"journals  {journal_folder(folder)} ({len(found)})")
    print(f"store     {tracking_uri(folder)}")
    for status, count in sorted(Counter(entry.status for entry in state.entries.values()).items()):
        print(f"{status.lower():9s} {count}")
    waiting = len(pending(folder, state))
    print(f"to import {waiting}" + (": run `wsol track sync`" if waiting else ""))
    return 0


def _tidy(folder: Path, hours: float, prune: bool) -> int:
    from wsol.tracking.tidy import tidy

    closed, pruned = tidy(folder, tracking_uri(folder), silence=hours * 3600, prune=prune)
    print(f"{closed} runs closed as killed, {pruned} journals deleted")
    return 0


if __name__ == "__main__":
    enter(main)
