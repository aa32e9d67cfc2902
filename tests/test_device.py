"""Where metrics run: on a GPU if there is one, else on the CPU, which is said once."""

from __future__ import annotations

import sys
import types

import pytest

import wsol.metrics.engine
from wsol import device
from wsol.device import choose_scoring_device


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    stand_in = types.ModuleType("wsol.metrics.engine.cuda")
    stand_in.available = lambda: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    monkeypatch.setattr(wsol.metrics.engine, "cuda", stand_in, raising=False)
    device._say_once.cache_clear()
    return stand_in


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_without_a_gpu_the_cpu_serves_and_says_so_once(gpu: types.ModuleType, wanted: str, capsys) -> None:
    assert [choose_scoring_device(wanted) for _ in range(3)] == ["cpu"] * 3
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("metrics run on the CPU") and err.count("\n") == 1
    assert ("wsol[gpu]" in err) == (wanted == "cuda")


def test_a_gpu_is_used_unless_the_cpu_is_wanted(gpu: types.ModuleType, capsys) -> None:
    gpu.available = lambda: True  # type: ignore[attr-defined]
    assert [choose_scoring_device(wanted) for wanted in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    gpu.available = lambda: False  # type: ignore[attr-defined]
    assert choose_scoring_device("cpu") == "cpu"
    assert capsys.readouterr() == ("", "")
