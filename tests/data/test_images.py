"""Sources, decoding and the image set, on files made here."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol.data.images import (
    ImageSet,
    ImageSource,
    decode_mask,
    decode_rgb,
    image_size,
    load_images,
    map_threaded,
    resolve_source,
)
from wsol.data.manifest import TEST, Manifest, Row
from wsol.errors import DataError
from wsol.files import sha256_bytes

FILES = {"a/x.bin": b"first", "a/y.bin": b"second" * 1000, "z.bin": b""}


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, kind)
    return stream.getvalue()


def photo(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(params=["folder", "zip", "tar"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> ImageSource:
    if request.param == "folder":
        for name, content in FILES.items():
            (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "s" / name).write_bytes(content)
        return ImageSource(str(tmp_path / "s"))
    path = tmp_path / f"s.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/", b"")
            for name, content in FILES.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in FILES.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return ImageSource(str(path))


def test_members_and_bytes(source: ImageSource) -> None:
    assert source.members() == sorted(FILES)
    assert source.members("a/") == ["a/x.bin", "a/y.bin"]
    assert source.members("b/") == []
    assert {name: source.read(name) for name in FILES} == FILES
    assert source.has("z.bin")
    assert not source.has("a")


def test_a_missing_member_is_named(source: ImageSource) -> None:
    with pytest.raises(DataError, match=r"no member 'a/none\.bin'"):
        source.read("a/none.bin")
    with pytest.raises(DataError, match="outside the source"):
        source.read("../secret")
    with pytest.raises(DataError, match="outside the source"):
        source.read("/etc/hostname")


def test_pickled_and_shared_between_threads(source: ImageSource) -> None:
    copy = pickle.loads(pickle.dumps(source))
    names = sorted(FILES) * 200
    assert list(map_threaded(copy.read, names, 8)) == [FILES[name] for name in names]


def _read_many(source: ImageSource, queue: multiprocessing.Queue) -> None:
    queue.put(all(source.read("a/y.bin") == FILES["a/y.bin"] for _ in range(300)))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_usable_in_forked_children_while_the_parent_reads(source: ImageSource) -> None:
    source.read("a/x.bin")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_read_many, args=(source, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert all(source.read("a/y.bin") == FILES["a/y.bin"] for _ in range(300))
    assert [queue.get(timeout=60) for _ in children] == [True, True]
    for child in children:
        child.join(timeout=60)


def test_logical_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path))
    assert resolve_source("raw:CUB/x.zip") == tmp_path / "CUB" / "x.zip"
    assert resolve_source("data/demo/images.zip") == Path("data/demo/images.zip")
    monkeypatch.delenv("WSOL_DATA")
    assert resolve_source("raw:CUB") == Path("data/raw/CUB")


def test_a_missing_source_says_what_and_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSOL_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"birds\.zip.*data set birds.*WSOL_DATA is .*ask the owner"):
        ImageSource("raw:birds.zip", "birds", "ask the owner")
    with pytest.raises(DataError, match=r"docs/data\.md"):
        ImageSource("raw:birds.zip")


def test_other_and_broken_archives(tmp_path: Path) -> None:
    for name, message in (
        ("x.rar", "neither a folder"),
        ("x.zip", "not a readable archive"),
        ("x.tar", "not a readable"),
    ):
        (tmp_path / name).write_bytes(b"nonsense" * 100)
        with pytest.raises(DataError, match=message):
            ImageSource(str(tmp_path / name)).read("a")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.bin", b"content that is damaged later")
    path.write_bytes(path.read_bytes().replace(b"damaged", b"changed"))
    with pytest.raises(DataError, match=r"s\.zip: cannot read member 'a\.bin'"):
        ImageSource(str(path)).read("a.bin")


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA"])
def test_every_mode_decodes_to_rgb(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    content = encoded(photo(0), kind, mode)
    decoded = decode_rgb(content, "x")
    assert decoded.shape == (20, 30, 3)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, np.array(Image.open(io.BytesIO(content)).convert("RGB")))
    assert image_size(content, "x") == (30, 20)


def test_exif_orientation_is_left_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(photo(0)).save(stream, "JPEG", exif=exif)
    assert decode_rgb(stream.getvalue(), "x").shape == (20, 30, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_and_corrupt_images_are_named(kind: str) -> None:
    content = encoded(photo(0, 64, 64), kind)
    for broken in (content[: len(content) // 2], b"no image at all", b""):
        with pytest.raises(DataError, match=r"set\.zip:a/x\.jpg: not a readable image"):
            decode_rgb(broken, "set.zip:a/x.jpg")


def test_masks_keep_their_values() -> None:
    indices = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    indexed = Image.fromarray(indices).convert("P")
    indexed.putdata(indices.ravel().tolist())
    indexed.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200] + [0] * 756)
    stream = io.BytesIO()
    indexed.save(stream, "PNG")
    np.testing.assert_array_equal(decode_mask(stream.getvalue(), "m"), indices)
    np.testing.assert_array_equal(decode_mask(encoded(indices), "m"), indices)
    bits = encoded((indices > 1).astype(np.uint8) * 255, mode="1")
    np.testing.assert_array_equal(decode_mask(bits, "m"), indices > 1)


def image_set(tmp_path: Path, count: int = 5) -> Manifest:
    rows = []
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for index in range(count):
            content = encoded(photo(index, 20 + index, 30))
            archive.writestr(f"{index}.png", content)
            rows.append(
                Row(
                    str(index),
                    0,
                    "thing",
                    30,
                    20 + index,
                    f"{index}.png",
                    np.array([[0, 0, 1, 1]]),
                    sha256=sha256_bytes(content),
                )
            )
    return Manifest.from_rows("things", TEST, str(tmp_path / "images.zip"), 1, "boxes", rows)


def oracle(seed: int, size: int) -> np.ndarray:
    """A squash by a triangle filter as wide as the step, in float64, rows and columns apart."""

    def weights(length: int) -> np.ndarray:
        scale = length / size
        support = max(scale, 1.0)
        centres = (np.arange(size) + 0.5) * scale
        kernel = 1 - np.abs(np.arange(length)[None] + 0.5 - centres[:, None]) / support
        kernel = np.clip(kernel, 0, None)
        return kernel / kernel.sum(1, keepdims=True)

    pixels = photo(seed, 20 + seed, 30).astype(np.float64)
    return np.einsum("ih,hwc,jw->ijc", weights(20 + seed), pixels, weights(30))


@pytest.mark.parametrize("cache_limit", [0, 10**6])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_are_squashed_bilinearly_in_the_order_asked(tmp_path: Path, cache_limit: int, threads: int) -> None:
    made = ImageSet(image_set(tmp_path), 12, cache_limit=cache_limit, threads=threads)
    assert made.cached == (cache_limit > 0)
    order = [3, 0, 3, 4]
    for _ in range(2):
        batch = made.batch(order)
        assert batch.shape == (4, 12, 12, 3)
        assert batch.dtype == np.uint8
        for pixels, seed in zip(batch, order, strict=True):
            assert np.abs(pixels - oracle(seed, 12)).max() <= 1.5  # PIL rounds after each of its two passes
        batch[:] = 0


def test_background_batches_equal_direct_ones(tmp_path: Path) -> None:
    manifest = image_set(tmp_path)
    made = ImageSet(manifest, 8)
    lists = [[0, 1], [4], [2, 3], [1, 4]]
    for ahead in (0, 1, 5):
        for got, wanted in zip(made.batches(iter(lists), ahead=ahead), lists, strict=True):
            np.testing.assert_array_equal(got, load_images(manifest, wanted, 8))


def test_cache_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ImageSet(image_set(tmp_path), 8)
    read: list[str] = []
    original = ImageSource.read
    monkeypatch.setattr(ImageSource, "read", lambda self, member: read.append(member) or original(self, member))
    for _ in range(3):
        made.batch([0, 1, 1])
    assert sorted(read) == ["0.png", "1.png"]


def test_image_set_survives_pickling(tmp_path: Path) -> None:
    made = ImageSet(image_set(tmp_path), 8)
    first = made.batch([2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).batch([2]), first)


def test_verify_refuses_a_changed_file(tmp_path: Path) -> None:
    manifest = image_set(tmp_path)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("0.png", encoded(photo(99)))
    assert ImageSet(manifest, 8).batch([0]).shape == (1, 8, 8, 3)
    with pytest.raises(DataError, match=r"images\.zip: 0\.png is not the file that the manifest describes"):
        ImageSet(manifest, 8, verify=True).batch([0])


def test_a_broken_image_in_a_set_is_named(tmp_path: Path) -> None:
    manifest = image_set(tmp_path)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("0.png", encoded(photo(0))[:200])
    with pytest.raises(DataError, match=r"images\.zip:0\.png: not a readable image"):
        ImageSet(manifest, 8).batch([0])
