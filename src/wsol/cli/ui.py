"""`wsol ui`: MLflow's pages on this machine, with the runs of jobs that are still at work."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from wsol.cli.entry import enter
from wsol.errors import WsolError
from wsol.tracking.places import artifact_folder, local_uri, tracking_folder, tracking_uri

_SYNC_EVERY = 10.0  # seconds
_START_LIMIT = 120.0  # seconds; about 5 on an idle machine
_LAYER_ORDER = ("train", "scores", "maps", "data", "reports")


def main(argv: list[str]) -> int:
    """Serve until interrupted; returns 0 after Ctrl-C or SIGTERM, else the server's exit code."""
    parser = argparse.ArgumentParser(prog="wsol ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="default 5000; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument("--folder", type=Path, help="tracking folder (default: WSOL_MLFLOW_DIR, else mlflow)")
    options = parser.parse_args(argv)
    folder = (options.folder or tracking_folder()).resolve()
    uri = tracking_uri(folder)
    if uri != local_uri(folder):
        _sync_once(folder, uri)
        print(f"MLFLOW_TRACKING_URI is set: the runs are at {uri}")
        return 0
    return _serve(folder, uri, options.host, _free_port(options.host, options.port))


def server_command(folder: Path, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """The MLflow server's command and environment: one worker, no job runner, no telemetry (0.2 GB instead of 1.5)."""
    from wsol.tracking.mlflow_store import QUIET

    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", local_uri(folder)]
    command += ["--artifacts-destination", str(artifact_folder(folder))]
    command += ["--uvicorn-opts", "--log-level warning"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return command, environment | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _serve(folder: Path, uri: str, host: str, port: int) -> int:
    stop = threading.Event()
    with _stop_on_signals(stop):
        print("bringing the runs up to date …", flush=True)
        _sync_once(folder, uri)
        if stop.is_set():
            return 0
        artifact_folder(folder).mkdir(parents=True, exist_ok=True)
        command, environment = server_command(folder, host, port)
        # A session of its own, so that Ctrl-C reaches this process alone and the server's children end with it.
        log = folder / "server.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environment, start_new_session=True, stdout=output, stderr=output) as server,
        ):
            try:
                if not _wait_for(server, host, port, stop):
                    if stop.is_set():
                        return 0
                    raise WsolError(f"the MLflow server did not start; {log} says why")
                _print_addresses(folder, uri, f"http://{_browsable(host)}:{port}")
                while server.poll() is None and not stop.wait(_SYNC_EVERY):
                    _sync_once(folder, uri)
                return 0 if stop.is_set() else (server.poll() or 1)
            finally:
                _end(server)


def _sync_once(folder: Path, uri: str) -> None:
    from wsol.tracking.sync import Busy, sync

    try:
        for problem in sync(folder, uri, wait=0 if (folder / "mlflow.db").is_file() else 60).problems:
            print(f"wsol ui: {problem}", file=sys.stderr, flush=True)
    except Busy:
        pass  # the other sync imports the same journals
    except Exception as error:  # the pages stay up whatever the store says
        print(f"wsol ui: runs not brought up to date ({error})", file=sys.stderr, flush=True)


def _print_addresses(folder: Path, uri: str, root: str) -> None:
    from wsol.tracking.glossary import view_address
    from wsol.tracking.mlflow_store import Store

    print(f"MLflow is at {root} (Ctrl-C ends it); best views:", flush=True)
    with contextlib.suppress(Exception):  # addresses are a convenience; the server is up
        store = Store(folder, uri)
        layers = sorted(store.layers(), key=lambda name: (*_LAYER_ORDER, name).index(name))
        for layer in layers:
            print(f"  {layer:8s} {root}/{view_address(store.experiment(layer))}", flush=True)
            if layer == "train":
                print(f"  {'curves':8s} {root}/{view_address(store.experiment(layer), curves=True)}", flush=True)
        if not layers:
            print("  no runs yet: `make demo` or `snakemake --cores all reports/tableB.csv` makes some", flush=True)


def _free_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise WsolError(f"{host}:{port} cannot be used ({error}); choose another with --port") from error
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], host: str, port: int, stop: threading.Event) -> bool:
    """Whether the server answers before it ends, before the limit and before somebody stops it."""
    deadline = time.monotonic() + _START_LIMIT
    while server.poll() is None and time.monotonic() < deadline and not stop.wait(0.2):
        try:
            with urllib.request.urlopen(f"http://{_browsable(host)}:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    return True
        except (OSError, urllib.error.URLError):
            continue
    return False


def _browsable(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _stop_on_signals(stop: threading.Event) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # asked twice: a long sync is cut short, and the next one goes on from there
        stop.set()

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, handle) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
            return


if __name__ == "__main__":
    enter(main)
