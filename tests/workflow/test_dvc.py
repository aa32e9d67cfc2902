"""DVC keeps the bytes of a verified run, has nothing to redo afterwards, and gives them back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.system


LAYERS = ("supersets", "checkpoints", "maps", "scores", "removal", "cues", "timing")


def configure_smoke(checkout: Any) -> None:
    path = checkout.root / "params/config.yaml"
    path.write_text(re.sub(r"^scale: \w+$", "scale: smoke", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.fixture(scope="module")
def certified(complete: Any, duplicate: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A checkout with every layer of scale smoke, the configured one, recorded in dvc.lock. Do not change it."""
    folder = tmp_path_factory.mktemp("certified")
    checkout = duplicate(complete, folder / "project")
    configure_smoke(checkout)
    assert "`dvc repro` has nothing to do" in checkout.wsol("certify").stdout
    yield checkout
    shutil.rmtree(folder, ignore_errors=True)


def test_after_certify_there_is_nothing_to_reproduce(certified: Any) -> None:
    assert "up to date" in certified.python("dvc", "status").stdout
    before = certified.digests()
    assert "up to date" in certified.python("dvc", "repro").stdout
    assert certified.digests() == before


def test_certify_records_what_was_made_and_names_the_rest(spoilt: Any) -> None:
    """As after `make demo`, which makes one table and its pictures."""
    configure_smoke(spoilt)
    said = spoilt.wsol("certify").stdout.splitlines()[-1]
    made, rest = said.removeprefix("dvc.lock records ").split("; `dvc repro` would make the rest: ")
    assert set(made.split(", ")) == {"data", "supersets", "checkpoints", "maps", "scores"}
    assert set(rest.split(", ")) == {"removal", "cues", "timing", "reports"}
    assert set(yaml.safe_load((spoilt.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]) == set(
        made.split(", ")
    )


def test_certify_refuses_what_verify_refuses(certified: Any) -> None:
    lock, table = certified.root / "dvc.lock", certified.root / "reports/tableB.md"
    recorded, text = lock.read_bytes(), table.read_bytes()
    try:
        table.write_bytes(text + b"\nanother line\n")
        said = certified.wsol("certify", ok=False)
        assert "reports/tableB.md" in said.stdout + said.stderr
        assert lock.read_bytes() == recorded
    finally:
        table.write_bytes(text)


def test_metrics_show_a_number(certified: Any) -> None:
    shown = certified.python("dvc", "metrics", "show").stdout
    assert "reports/metrics.json" in shown
    assert re.search(r"\d+\.\d+", shown)


def test_pull_gives_the_same_bytes_back(certified: Any) -> None:
    before = certified.digests()
    certified.python("dvc", "push")
    kept = {name for name in before if name.startswith(("reports/", "results/smoke/params/"))}
    shutil.rmtree(certified.root / "data/smoke")
    for layer in LAYERS:
        shutil.rmtree(certified.root / "results/smoke" / layer)
    shutil.rmtree(certified.root / ".dvc/cache")
    assert set(certified.digests()) == kept
    certified.python("dvc", "pull")
    assert certified.digests() == before
    assert certified.verify()["problems"] == []


def test_an_edited_parameter_makes_stages_run_again(certified: Any) -> None:
    path = certified.root / "params/methods/cam.yaml"
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(text.replace("learning_rate: 0.05", "learning_rate: 0.04"), encoding="utf-8")
        assert path.read_text(encoding="utf-8") != text
        said = certified.python("dvc", "repro", "--dry").stdout
        stages = set(re.findall(r"Running stage '(\w+)'", said))
        assert {"checkpoints", "maps", "scores", "removal", "cues", "reports"} <= stages
    finally:
        path.write_text(text, encoding="utf-8")
