from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from wsol.cli.ui import server_command
from wsol.tracking import start_run


def fetch(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read().decode()


def line_with(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        found = re.search(pattern, line)
        if found:
            return found
    raise AssertionError(f"no {pattern!r} in {''.join(seen)}")


@pytest.mark.system
def test_serves_runs_and_artifacts_and_ends_cleanly(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WSOL_MLFLOW_DIR", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "table.csv").write_text("row,value\n")
    with start_run("reports", {"scale": "demo", "table": "tableB"}) as run:
        run.artifact(tmp_path / "table.csv")
    command = [sys.executable, "-m", "wsol.cli.ui", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as ui:
        try:
            root = line_with(ui, r"http://127\.0\.0\.1:\d+").group()
            experiment = line_with(ui, r"experiments/(\d+)/runs\?viewStateShareKey=wsol").group(1)
            assert "MLflow" in fetch(root)
            query = json.dumps({"experiment_ids": [experiment]}).encode()
            request = urllib.request.Request(
                f"{root}/api/2.0/mlflow/runs/search", query, {"Content-Type": "application/json"}
            )
            (found,) = json.loads(fetch(request))["runs"]
            assert found["info"]["run_name"] == "demo · tableB"
            assert fetch(f"{root}/get-artifact?path=table.csv&run_uuid={found['info']['run_id']}") == "row,value\n"
            began = time.monotonic()
            ui.send_signal(signal.SIGINT)
            assert ui.wait(timeout=20) == 0
            assert time.monotonic() - began < 15
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(root.rpartition(":")[2]))) != 0
        finally:
            ui.kill()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "wsol.cli.ui", "--port", port, "--folder", str(tmp_path)]
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 2
    assert port in done.stderr
    assert "--port" in done.stderr


def test_the_server_is_local_lean_and_silent(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///elsewhere.db")
    command, environment = server_command(tmp_path, "127.0.0.1", 5000)
    assert command[command.index("--workers") + 1] == "1"
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "MLFLOW_BACKEND_STORE_URI" not in environment
