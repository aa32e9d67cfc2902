"""Every layout of maps gives the same maps; what cannot be scored is named before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wsol.attribution.store import write_maps
from wsol.errors import DataError
from wsol.standalone.maps import MapSource, open_maps
from wsol.standalone.match import check_headers, match_maps
from wsol.standalone.npy import file_header

IDS = ["001.Auk/a.jpg", "001.Auk/b.jpg", "002.Owl/a.jpg"]
MAPS = np.random.default_rng(0).random((3, 6, 6)).astype(np.float32)


def folder(path: Path) -> Path:
    for name, array in zip(IDS, MAPS, strict=True):
        file = path / "maps" / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array)
    return path / "maps"


def short_folder(path: Path) -> Path:
    for name, array in zip(IDS, MAPS, strict=True):
        file = (path / "maps" / name).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array)
    return path / "maps"


def npz(path: Path) -> Path:
    np.savez(path / "maps.npz", **dict(zip(IDS, MAPS, strict=True)))
    return path / "maps.npz"


def compressed_npz(path: Path) -> Path:
    np.savez_compressed(path / "maps.npz", **dict(zip(IDS, MAPS, strict=True)))
    return path / "maps.npz"


def stacked(path: Path) -> Path:
    np.savez(path / "maps.npz", maps=MAPS[::-1], image_ids=np.array(IDS[::-1]))
    return path / "maps.npz"


def stacked_by_column(path: Path) -> Path:
    np.savez(path / "maps.npz", maps=np.asfortranarray(MAPS), image_ids=np.array([name.encode() for name in IDS]))
    return path / "maps.npz"


def stacked_compressed(path: Path) -> Path:
    np.savez_compressed(path / "maps.npz", maps=MAPS, image_ids=np.array(IDS))
    return path / "maps.npz"


def store(path: Path) -> Path:
    write_maps(path / "maps.safetensors", MAPS, IDS, np.arange(15).reshape(3, 5), size=24)
    return path / "maps.safetensors"


LAYOUTS = [folder, short_folder, npz, compressed_npz, stacked, stacked_by_column, stacked_compressed, store]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_maps(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    source = open_maps(layout(tmp_path))
    names = match_maps(source, IDS, IDS)
    check_headers(source, names, 6, normalise=False)
    for image, expected in zip(IDS, MAPS, strict=True):
        assert np.array_equal(source.read(names[image]), expected)
        header = source.header(names[image])
        assert (tuple(header.shape), header.dtype) == ((6, 6), np.float32)
        assert str(tmp_path) in source.place(names[image])
    assert (source.upsampling is not None) == (layout is store)


def test_a_mapping_is_a_source_too() -> None:
    source = open_maps(dict(zip(IDS, MAPS, strict=True)))
    assert np.array_equal(source.read(match_maps(source, IDS, IDS)[IDS[1]]), MAPS[1])


def test_a_store_of_one_map_serves_all_and_knows_its_frame_and_predictions(tmp_path: Path) -> None:
    write_maps(tmp_path / "one.safetensors", MAPS[:1], IDS, None, size=24, order="normalize-resize")
    source = open_maps(tmp_path / "one.safetensors")
    assert source.shared and source.upsampling is not None
    assert (source.upsampling["size"], source.upsampling["order"]) == (24, "normalize-resize")
    assert all(np.array_equal(source.read(name), MAPS[0]) for name in source.names)
    assert source.predictions(IDS[0]) is None
    predicted = open_maps(store(tmp_path)).predictions(IDS[1])
    assert predicted is not None and predicted.tolist() == [5, 6, 7, 8, 9]


def test_a_share_needs_its_own_maps_only(tmp_path: Path) -> None:
    top = folder(tmp_path)
    (top / f"{IDS[0]}.npy").unlink()
    source = open_maps(top)
    assert match_maps(source, IDS[1:], IDS) == {name: name for name in IDS[1:]}
    with pytest.raises(DataError, match=r"no map of image 001\.Auk/a\.jpg \(1 of 3 images have none\)"):
        match_maps(source, IDS, IDS)


def test_extra_maps_are_an_error_unless_they_are_expected(tmp_path: Path) -> None:
    top = folder(tmp_path)
    np.save(top / "001.Auk" / "val.jpg.npy", MAPS[0])
    source = open_maps(top)
    with pytest.raises(DataError, match=r"001\.Auk/val\.jpg\.npy: a map of no image .*--ignore-extra"):
        match_maps(source, IDS, IDS)
    assert list(match_maps(source, IDS, IDS, ignore_extra=True)) == IDS


def test_maps_of_another_split_are_named(tmp_path: Path) -> None:
    source = open_maps(folder(tmp_path))
    with pytest.raises(DataError, match=r"no map of image x\.jpg .*a\.jpg\.npy of another split"):
        match_maps(source, ["x.jpg"], ["x.jpg"])


def test_a_name_without_extension_must_mean_one_image() -> None:
    for names, message in (({"a": 0}, "may belong to image a.jpg or a.png"), ({"b": 0, "b.jpg": 0}, "has two maps")):
        source = open_maps(dict.fromkeys(names, MAPS[0]))
        with pytest.raises(DataError, match=message):
            match_maps(source, ["b.jpg"], ["a.jpg", "a.png", "b.jpg"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 6)), r"b\.jpg\.npy: the map of image 001\.Auk/b\.jpg has shape \(5, 6\).* 6 x 6; resize"),
        (np.zeros((6, 6), np.float16), r"001\.Auk/b\.jpg has type float16; save float32 or float64"),
        (np.zeros((6, 6), np.uint8), "type uint8"),
        (np.zeros((1, 6, 6)), r"shape \(1, 6, 6\); save one map \(H, W\)"),
        (np.zeros((0, 6)), r"shape \(0, 6\)"),
    ],
)
def test_headers_name_the_image_and_the_file(array: np.ndarray, message: str, tmp_path: Path) -> None:
    top = folder(tmp_path)
    np.save(top / f"{IDS[1]}.npy", array)
    source = open_maps(top)
    with pytest.raises(DataError, match=message):
        check_headers(source, match_maps(source, IDS, IDS), 6, normalise=False)


def test_raw_maps_may_have_any_size_and_real_type() -> None:
    names = {name: name for name in IDS}
    kinds = (np.zeros((5, 9), np.float16), np.zeros((3, 3), np.int64), MAPS[0])
    check_headers(open_maps(dict(zip(IDS, kinds, strict=True))), names, 6, normalise=True)
    for wrong in (np.zeros((6, 6), complex), np.array([["a"]])):
        with pytest.raises(DataError, match="save real numbers"):
            check_headers(open_maps(dict.fromkeys(IDS, wrong)), names, 6, normalise=True)


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    top = folder(tmp_path)
    path = top / f"{IDS[0]}.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.jpg\.npy: cut off, 271 of 272 bytes"):
        file_header(path)
    with pytest.raises(DataError, match=r"a\.jpg\.npy: cannot be read"):
        open_maps(top).read(IDS[0])
    path.write_bytes(b"no array")
    with pytest.raises(DataError, match="not a NumPy array"):
        file_header(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        file_header(path)


def test_what_is_no_source_is_refused_with_what_would_be_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "maps.txt").write_text("")
    (tmp_path / "broken.npz").write_bytes(b"no zip")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    np.savez(tmp_path / "objects.npz", maps=MAPS, image_ids=np.array(IDS, dtype=object))
    np.savez(tmp_path / "lengths.npz", maps=MAPS, image_ids=np.array(IDS[:2]))
    np.savez(tmp_path / "more.npz", maps=MAPS, image_ids=np.array(IDS), labels=np.arange(3))
    for name, message in (
        ("none", "no such folder or file"),
        ("empty", r"no \.npy file"),
        ("maps.txt", "give a folder of .npy files"),
        ("broken.npz", "not a readable .npz"),
        ("broken.safetensors", "not a readable safetensors"),
        ("objects.npz", "image_ids as text"),
        ("lengths.npz", r"\(3, 6, 6\) for 2 image_ids"),
        ("more.npz", "also labels"),
    ):
        with pytest.raises(DataError, match=message) as raised:
            open_maps(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)


def test_a_source_is_used_as_it_is() -> None:
    source: MapSource = open_maps({"a": MAPS[0]})
    assert open_maps(source) is source
