"""Where a run comes from: the commit of the working tree and the command that started it."""

from __future__ import annotations

import functools
import shlex
import subprocess
import sys
from pathlib import Path

_GIT_TIMEOUT = 5.0  # seconds; a slow disk must not hold up a job


@functools.cache
def git_state() -> dict[str, str]:
    """Tags git.commit and git.dirty of the working folder; empty outside a repository or without git."""
    try:
        commit = _git("rev-parse", "--verify", "HEAD")
        dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git.commit": commit, "git.dirty": str(dirty).lower()}


def command_line() -> str:
    """The command of this process as a user would type it: `wsol …` or `python -m wsol.cli.…`, quoted for a shell."""
    words = list(sys.orig_argv)
    if len(words) > 1 and Path(words[1]).name == "wsol":
        words = ["wsol", *words[2:]]
    elif words and Path(words[0]).name.startswith("python"):
        words[0] = "python"
    return shlex.join(words)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT)
    return done.stdout.strip()
