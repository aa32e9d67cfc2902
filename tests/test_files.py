"""Files that appear whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol import files
from wsol.errors import DataError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_path_replaces_the_target_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep/er/table.csv"
    files.write_text(target, "old")
    with files.atomic_path(target) as temporary:
        assert temporary.parent == target.parent, "a rename is atomic within one folder only"
        assert temporary.suffix == ".csv", "writers choose the format by the suffix"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(target.parent) == ["table.csv"]


@pytest.mark.parametrize("exists", [False, True])
def test_an_exception_leaves_nothing_behind(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "model.bin"
    if exists:
        target.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), files.atomic_path(target) as temporary:
        temporary.write_bytes(b"half of")
        raise KeyboardInterrupt
    assert names(tmp_path) == (["model.bin"] if exists else [])
    if exists:
        assert target.read_bytes() == b"before"


def test_a_killed_writer_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    target.write_bytes(b"before")
    program = (
        "import sys, time\n"
        "from wsol.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'half of'); print('writing', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert target.read_bytes() == b"before"
    assert len(names(tmp_path)) == 2, "what the killed process was writing is hidden beside it"
    files.write_bytes(target, b"after")
    assert target.read_bytes() == b"after"
    assert names(tmp_path) == ["model.bin"], "the next writer clears up after the dead one"


def test_what_a_dead_writer_made_beside_its_temporary_goes_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        dead = process.pid
    left = [f".a.{dead}.partial.csv", f"..a.{dead}.partial.{dead}.partial.csv", f".a.{dead}.partial.cells.csv"]
    others = [f".a.{os.getpid()}.partial.md", f".ab.{dead}.partial.csv", f".a.b.{dead}.partial.csv", "a.csv"]
    for name in left + others:
        (tmp_path / name).touch()
    files.temporary_beside(tmp_path / "a.csv")
    assert names(tmp_path) == sorted(others)


def test_permissions_follow_the_umask_not_those_of_a_temporary(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "shared.txt", "x")
        assert os.umask(0o027) == 0o027, "the process keeps its umask"
    finally:
        os.umask(before)
    assert (tmp_path / "shared.txt").stat().st_mode & 0o777 == 0o640


def test_sha256_of_bytes_and_file_agree_with_hashlib(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "blob").write_bytes(content)
    assert files.sha256_file(tmp_path / "blob") == files.sha256_bytes(content) == hashlib.sha256(content).hexdigest()
    # FIPS 180-2, appendix B.1
    assert files.sha256_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(DataError, match="nowhere: no such file"):
        files.sha256_file(tmp_path / "nowhere")


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=50)
def test_canonical_json_reads_back_and_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    text = files.canonical_json(value)
    assert json.loads(text) == value
    assert files.canonical_json(dict(reversed(value.items()))) == text
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_canonical_json_layout_is_fixed() -> None:
    assert files.canonical_json({"b": [1, 2.5], "a": {"é": None}}) == (
        '{\n "a": {\n  "é": null\n },\n "b": [\n  1,\n  2.5\n ]\n}\n'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_cannot_say_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.canonical_json({"value": [value]})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "score.json", {"value": value})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.save_tensors(tmp_path / "x.safetensors", {}, {"value": value})
    assert names(tmp_path) == []


def test_json_files_read_back_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    files.write_json(path, {"name": "Vögel", "value": 0.1})
    assert files.read_json(path) == {"name": "Vögel", "value": 0.1}
    path.write_text('{"name": ')
    with pytest.raises(DataError, match=r"score\.json: not valid JSON"):
        files.read_json(path)
    with pytest.raises(DataError, match=r"other\.json: no such file"):
        files.read_json(tmp_path / "other.json")


def test_write_json_if_changed_keeps_the_time_stamp_of_what_stays_true(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert files.write_json_if_changed(path, {"a": 1, "b": 2})
    os.utime(path, ns=(10**18, 10**18))
    assert not files.write_json_if_changed(path, {"b": 2, "a": 1})
    assert path.stat().st_mtime_ns == 10**18
    assert files.write_json_if_changed(path, {"a": 1, "b": 3})
    assert path.stat().st_mtime_ns != 10**18
    assert files.read_json(path) == {"a": 1, "b": 3}
    # The same content in another layout is another text: whoever hashes the file would see a change.
    path.write_text('{"a": 1, "b": 3}')
    assert files.write_json_if_changed(path, {"a": 1, "b": 3})


def tensors() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "weight": generator.normal(size=(3, 4)).astype(np.float32),
        "transposed": generator.normal(size=(5, 2)).T,
        "steps": np.array(7, dtype=np.int64),
        "empty": np.zeros((0, 3), dtype=np.int32),
        "flags": np.array([True, False]),
        "bytes": np.arange(6, dtype=np.uint8)[::2],
    }


def test_tensors_read_back_with_shape_type_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    metadata = {"epoch": 3, "cell": {"seed": 0}, "classes": ["a", "ß"]}
    files.save_tensors(path, tensors(), metadata)
    loaded, described = files.load_tensors(path)
    assert described == metadata == files.load_metadata(path)
    assert loaded.keys() == tensors().keys()
    for name, expected in tensors().items():
        assert loaded[name].dtype == expected.dtype
        assert loaded[name].shape == expected.shape, name
        np.testing.assert_array_equal(loaded[name], expected)
    files.save_tensors(path, {})
    assert files.load_tensors(path) == ({}, {})


def test_tensor_files_have_the_same_bytes_in_any_process_and_any_order(tmp_path: Path) -> None:
    metadata = {f"key{index}": index for index in range(20)}
    files.save_tensors(tmp_path / "here.safetensors", tensors(), metadata)
    files.save_tensors(
        tmp_path / "reversed.safetensors", dict(reversed(tensors().items())), dict(reversed(metadata.items()))
    )
    program = (
        "import runpy, sys\n"
        "from wsol.files import save_tensors\n"
        "tensors = runpy.run_path(sys.argv[1])['tensors']()\n"
        "save_tensors(sys.argv[2], tensors, {f'key{index}': index for index in range(20)})\n"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, __file__, str(tmp_path / f"process{seed}.safetensors")],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 1


def test_a_tensor_file_that_is_missing_or_cut_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.safetensors: no such file"):
        files.load_tensors(tmp_path / "model.safetensors")
    path = tmp_path / "cut.safetensors"
    files.save_tensors(path, tensors())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"cut\.safetensors: not a readable safetensors file"):
        files.load_metadata(path)
