"""Decoding image files, warping them to crops, and normalization."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from deephar.data import crop_image, load_image, normalize
from deephar.geometry import apply_affine, crop_affine, invert_affine


def test_jpeg_is_read_as_rgb(tmp_path):
    image = np.zeros((16, 24, 3), np.uint8)
    image[..., 0] = 200
    Image.fromarray(image).save(tmp_path / "red.jpg", quality=95)
    loaded = load_image(tmp_path / "red.jpg")
    assert loaded.shape == (16, 24, 3)
    assert loaded.dtype == np.uint8
    assert np.abs(loaded.astype(int) - image).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_other_formats_are_read_as_rgb(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / f"image.{suffix}", **{"lossless": True})
    np.testing.assert_array_equal(load_image(str(tmp_path / f"image.{suffix}")), image)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_greyscale_becomes_rgb(tmp_path, suffix):
    grey = np.tile(np.arange(0, 240, 10, np.uint8), (16, 1))
    Image.fromarray(grey).save(tmp_path / f"grey.{suffix}", **{"quality": 98})
    loaded = load_image(tmp_path / f"grey.{suffix}")
    assert loaded.shape == (16, 24, 3)
    assert np.abs(loaded.astype(int) - grey[..., None]).max() <= 3


def test_transparency_is_dropped(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 4)).astype(np.uint8)
    Image.fromarray(image, "RGBA").save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(load_image(tmp_path / "rgba.png"), image[..., :3])
    np.testing.assert_array_equal(load_image(image), image[..., :3])


def test_grey_with_transparency(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 2)).astype(np.uint8)
    Image.fromarray(image, "LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(
        load_image(tmp_path / "la.png"), np.repeat(image[..., :1], 3, axis=-1)
    )


def test_palette_and_black_and_white(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    palette = Image.fromarray(image).quantize(8)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        load_image(tmp_path / "palette.png"), np.asarray(palette.convert("RGB"))
    )
    one_bit = Image.fromarray(image[..., 0] > 128)
    one_bit.save(tmp_path / "bits.png")
    np.testing.assert_array_equal(
        load_image(tmp_path / "bits.png"), np.asarray(one_bit.convert("RGB"))
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_divided_by_257(tmp_path, channels):
    levels = np.arange(0, 256, dtype=np.uint16).reshape(16, 16)
    image = np.stack([np.roll(levels, c) for c in range(channels)], axis=-1) * 257
    image[image > 128] -= 128  # rounded up again
    cv2.imwrite(
        str(tmp_path / "deep.png"), image[..., [2, 1, 0, 3][:channels]] if channels > 1 else image
    )
    expected = np.stack([np.roll(levels, c % channels) for c in range(3)], axis=-1)
    np.testing.assert_array_equal(load_image(tmp_path / "deep.png"), expected)
    np.testing.assert_array_equal(load_image(image), expected)


def test_exif_orientation_is_ignored(tmp_path):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    for name in ("turned.jpg", "turned.png"):
        Image.fromarray(image).save(tmp_path / name, exif=exif, **{"quality": 95})
        loaded = load_image(tmp_path / name)
        assert np.abs(loaded.astype(int) - image).max() <= 12, name
    # At reduced size too.
    crop = crop_image(tmp_path / "turned.jpg", crop_affine((15.5, 7.5), 32), 8)
    assert crop[4, 0].max() < 40
    assert crop[4, 7].min() > 215


def test_missing_image_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody\.jpg does not exist.*README"):
        load_image(tmp_path / "nobody.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "progressive.jpg", "bmp", "webp"])
@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.999])
def test_truncated_image_names_the_file(tmp_path, suffix, part):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / f"cut.{suffix}"
    options = {"progressive": True} if "progressive" in suffix else {}
    Image.fromarray(image).save(path, **options)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"cut\."):
        load_image(path)


def png_of_size(content, width, height):
    """A PNG file with another size in its header, whose checksum is right."""
    header = content[12:16] + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_that_would_fill_the_memory_is_refused_by_its_header(tmp_path, suffix):
    path = tmp_path / f"large{suffix}"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    content = bytearray(path.read_bytes())
    if suffix == ".png":
        content = png_of_size(content, 30000, 20000)
    else:
        height = content.index(b"\xff\xc0") + 5
        content[height : height + 4] = struct.pack(">HH", 20000, 30000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"large\.\w+ is 30000 x 20000 pixels by its header"):
        load_image(str(path))


def test_a_png_that_cannot_hold_its_pixels_is_refused_by_its_header(tmp_path):
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    path.write_bytes(png_of_size(path.read_bytes(), 16000, 16000))
    with pytest.raises(ValueError, match=r"large\.png is 16000 x 16000 .* more than its file can"):
        load_image(str(path))


def test_a_chunk_of_a_png_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    content = path.read_bytes()
    chunk = struct.pack(">I", 2**31 - 1) + b"tEXtComment" + bytes(20)
    path.write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(ValueError, match=r"large\.png is truncated"):
        load_image(str(path))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_png_of_one_colour_is_read_however_small_its_file(mode, tmp_path):
    Image.new(mode, (4000, 3000)).save(tmp_path / "flat.png", compress_level=9)
    assert load_image(str(tmp_path / "flat.png")).shape == (3000, 4000, 3)


def test_truncated_jpeg_with_a_whole_thumbnail_inside(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(image[:8, :8]).save(tmp_path / "small.jpg")
    thumbnail = (tmp_path / "small.jpg").read_bytes()
    Image.fromarray(image).save(tmp_path / "big.jpg")
    content = (tmp_path / "big.jpg").read_bytes()
    segment = b"\xff\xe5" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    path = tmp_path / "with.jpg"
    path.write_bytes(content[:2] + segment + content[2:])
    assert load_image(path).shape == (64, 64, 3)
    path.write_bytes((content[:2] + segment + content[2:])[:-100])
    with pytest.raises(ValueError, match=r"with\.jpg is truncated"):
        load_image(path)


def test_file_that_is_no_image(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>404 not found</html>")
    with pytest.raises(ValueError, match=r"page\.jpg is not an image"):
        load_image(tmp_path / "page.jpg")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_image(array):
    with pytest.raises(ValueError, match="An image must"):
        load_image(array)


@pytest.mark.parametrize("kind", ["jpg", "png", "array"])
@pytest.mark.parametrize("shrink", [0.8, 1.5, 2, 3.3, 4.6, 9, 18])
def test_crops_from_reduced_images_are_in_place(tmp_path, kind, shrink, build):
    size, side = 64, 64 * shrink
    width, height = 1283, 1021  # no multiples of 8
    center = np.array([620.3, 498.7])
    affine = crop_affine(center, side, angle=20, flip=True)
    wanted = np.array([[0.3, 0.35], [0.65, 0.3], [0.52, 0.74]])
    points = apply_affine(invert_affine(affine), wanted)
    picture = build.spots(width, height, points, sigma=2 * shrink)
    image = picture
    if kind != "array":
        image = str(tmp_path / f"image.{kind}")
        cv2.imwrite(image, picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    crop = crop_image(image, affine, size)
    for u in apply_affine(affine, points):
        pixel = u * size - 0.5
        assert np.abs(build.spot_centre(crop, pixel, radius=8) - pixel).max() < 0.1


def test_shrinking_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255  # two columns white, two black
    crop = crop_image(stripes, crop_affine((255.5, 255.5), 512), 64)
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_crop_at_full_size_is_the_image_itself():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(crop_image(image, crop_affine((15.5, 15.5), 32), 32), image)


def in_their_pixels(affine, angle, size, flip):
    """A map of the reference as one between our pixel centres, including the shift of its images.

    There, pixel edges are at integers, and a rotated image lies on a canvas of whole pixels, whose
    centre its map does not take into account.
    """
    affine = affine @ np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    if angle % 180:
        corners = np.array([[0, 0], [size[0], 0], size, [0, size[1]]]) - np.divide(size, 2)
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        x, y = (corners @ np.array([[cos, sin], [-sin, cos]]).T + np.divide(size, 2)).T
        extent = np.array([np.ptp(x), np.ptp(y)])
        canvas = np.ceil([x.max(), y.max()]) - np.floor([x.min(), y.min()])
        scale = np.sqrt(abs(np.linalg.det(affine[:2, :2])))
        affine[:2, 2] += (canvas - extent) / 2 * scale * (-1 if flip else 1, 1)
    return affine


def test_frames_agree_with_the_reference(golden):
    reference = golden("fn_mpii_sample")
    for i in range(4):
        angle, _, flip, *_ = reference[f"s{i}_config"]
        affine = in_their_pixels(reference[f"s{i}_afmat"], angle, (320, 240), flip)
        frame = normalize(crop_image(reference["image"], affine, 64))
        grey_levels = np.abs(frame - reference[f"s{i}_frame"]) * 127.5
        # Theirs is interpolated twice when rotated, and smoothed more when shrunk.
        assert grey_levels.mean() < (3 if angle else 2)


def test_affine_crops_agree_with_the_reference(golden):
    reference = golden("fn_affine_crop")
    for i in range(11):
        angle, _, _, window, _, width, height, flip = reference[f"case{i}"]
        if width != height:  # the network takes squares
            continue
        affine = in_their_pixels(reference[f"img{i}_afmat"], angle, (60, 40), flip)
        ours = crop_image(reference["image"], affine, int(width)).astype(int)
        difference = np.abs(ours - reference[f"img{i}_result"])
        if angle == 0 and window / width < 1.1:
            assert difference.max() <= 2
        elif angle != 180:
            assert np.median(difference) <= 2


def test_normalize_agrees_with_the_reference(golden):
    reference = golden("fn_affine_crop")
    for name, power in (("power1", 1), ("power_096_104_1", (0.96, 1.04, 1)), ("power2", 2)):
        ours = normalize(reference["image"], power)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, reference[f"normalize_{name}"], rtol=0, atol=1e-6)


def test_normalize_rejects_floats():
    with pytest.raises(ValueError, match="uint8"):
        normalize(np.zeros((4, 4, 3)))
