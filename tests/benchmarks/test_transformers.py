"""benchmarks/transformers.py: how outputs become maps for the other library, and what it says where that is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/transformers.py"


@pytest.mark.system
def test_it_compares_or_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        assert "pytorch-grad-cam: not installed" in done.stdout
    else:
        assert "torchvision ViT" in done.stdout and done.stdout.rstrip().endswith(": met")


def test_the_layouts_it_tells_are_those_that_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer gets what `attribute` finds by itself, for every network that is there."""
    import torch

    from wsol.attribution.layout import layout_of

    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import transformers as benchmark  # type: ignore[import-not-found, unused-ignore]

    assert benchmark.__file__ == str(SCRIPT)
    seen = []
    for network in benchmark.networks():
        kept: list[torch.Tensor] = []
        network.model.eval().get_submodule(network.layer).register_forward_hook(
            lambda m, i, o, kept=kept: kept.append(o)
        )
        with torch.no_grad():
            network.model(torch.randn(1, 3, network.side, network.side))
        layout = layout_of(kept[0], (network.side, network.side))
        assert layout is not None and torch.equal(layout.maps(kept[0]), network.maps(kept[0]))
        seen.append(network.name)
    assert seen[:2] == ["torchvision ViT", "torchvision Swin"]
