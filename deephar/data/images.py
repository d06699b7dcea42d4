"""Image files and arrays: decode, warp to a crop, normalize.

A JPEG is decoded at reduced size where the crop allows it. One affine warp, which holds the crop
window, rotation, scale, flip and translation, brings the picture to the crop.
"""

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image

from deephar.files import HEIF_ADVICE, heif_format
from deephar.geometry import warp_matrix

# 16384 x 16384, more than cameras have. A damaged header may say a hundred times as much.
_MOST_PIXELS = 2**28

# Bytes that come out of one byte of a PNG at most (zlib, technical details).
_MOST_INFLATED = 1032

# A window of exactly twice the crop may be shrunk by 2, in spite of rounding errors.
_ROUNDING = 1 + 1e-9

_REMEDY = (
    "Get the images as the README of the data set says (datasets/ of the project); `deephar check` "
    "lists all that are missing or damaged."
)


def load_image(image: str | np.ndarray, *, upright: bool = False) -> np.ndarray:
    """The pixels of an image.

    By default as they are stored in the file, because the annotations of the data sets refer to the
    stored pixels (MATLAB, with which they were made, and most loaders ignore EXIF).

    Args:
        image: path of a file (JPEG, PNG or another format of OpenCV), or an array (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16, RGB(A).
        upright: whether to turn the image of a file as its EXIF data say.

    Returns:
        uint8 (H, W, 3), RGB. Grey is repeated, transparency is dropped, 16 bits are divided by 257.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is truncated or no image, or the array has another form.
    """
    return _open(image, upright=upright).pixels


def crop_image(image: str | np.ndarray, affine: np.ndarray, image_size: int) -> np.ndarray:
    """The part of an image that an affine map shows.

    Args:
        image: path or array, as for `load_image`.
        affine: (3, 3), image pixels to the unit crop (`deephar.geometry.crop_affine`).
        image_size: side S of the crop in pixels.

    Returns:
        uint8 (S, S, 3), RGB; black outside of the image.

    Raises:
        FileNotFoundError: As `load_image`.
        ValueError: As `load_image`.
    """
    return crop_and_size(image, affine, image_size)[0]


def crop_and_size(
    image: str | np.ndarray, affine: np.ndarray, image_size: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """As `crop_image`, and the (width, height) of the whole image."""
    picture = _open(image, _shrinkage(affine, image_size))
    return _warp(picture, affine, image_size), (picture.width, picture.height)


def normalize(pixels: np.ndarray, power: float | Sequence[float] = 1.0) -> np.ndarray:
    """Grey levels to the network's range: ``((v / 255) ** power - 0.5) * 2``.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        power: exponent, or one for each channel.

    Returns:
        float32 (H, W, 3) in [-1, 1].

    Raises:
        ValueError: `pixels` is of another type or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"Normalization needs uint8 pixels (H, W, 3), got {pixels.dtype} {pixels.shape}."
        )
    levels = np.linspace(0, 1, 256)[:, None] ** np.broadcast_to(power, 3)
    # A table of the 256 levels instead of a power of every pixel.
    return cv2.LUT(pixels, ((levels - 0.5) * 2).astype(np.float32)[:, None])


class _Picture(NamedTuple):
    """A decoded image, possibly shrunk.

    Pixel (x, y) of the full image is at ``(x + 0.5) / factor - 0.5`` of `pixels`.
    """

    pixels: np.ndarray  # uint8 (h, w, 3), RGB
    width: int  # of the full image
    height: int
    factor: tuple[float, float]  # full size / size of `pixels`, in x and y


def _shrinkage(affine, image_size):
    """Factor by which the image may be shrunk before the warp: image pixels per crop pixel."""
    return 1 / (image_size * np.sqrt(abs(np.linalg.det(affine[:2, :2]))))


def _warp(picture, affine, image_size):
    (fx, fy) = picture.factor
    to_full = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
    matrix = warp_matrix(affine, image_size) @ to_full
    return cv2.warpAffine(
        picture.pixels, matrix[:2], (image_size, image_size), flags=cv2.INTER_LINEAR
    )


def _open(image, shrinkage=1.0, upright=False):
    """Image as a `_Picture`, shrunk by at most `shrinkage`.

    The warp interpolates between four pixels, so more than two image pixels to a crop pixel would
    alias. JPEG is shrunk by 2, 4 or 8 while decoding, which also saves most of the time; what is
    left, and other images, by averaging.
    """
    if isinstance(image, np.ndarray):
        pixels, factor = _as_rgb8(image, "the array"), 1
        height, width = pixels.shape[:2]
    else:
        pixels, (width, height), factor = _decode(image, shrinkage, upright)
    factors = (float(factor), float(factor))
    rest = int(shrinkage * _ROUNDING / factor)
    if rest >= 2:
        h, w = pixels.shape[:2]
        small = (max(1, round(w / rest)), max(1, round(h / rest)))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        factors = (factor * w / small[0], factor * h / small[1])
    return _Picture(pixels, width, height, factors)


def _decode(path, shrinkage, upright):
    """uint8 RGB pixels of a file, (width, height) of the full image, full size / decoded size."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise FileNotFoundError(f"The image {path} does not exist. {_REMEDY}") from None
    except OSError as error:  # a folder, or not allowed
        raise ValueError(
            f"The image {path} cannot be read ({error.strerror}). {_REMEDY}"
        ) from error
    jpeg = content.startswith(b"\xff\xd8")
    factor, flags = 1, cv2.IMREAD_UNCHANGED
    if jpeg:
        size = _jpeg_size(content, path)
        factor, flags = _JPEG_MODES[min(3, max(0, int(np.log2(max(shrinkage * _ROUNDING, 1)))))]
        _check_size(path, *size)
    elif content.startswith(b"\x89PNG"):
        if not _png_ends(content):
            raise ValueError(f"The image {path} is truncated. {_REMEDY}")
        _check_png(path, content)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:
        pixels = None
    if pixels is None and (kind := heif_format(path)):
        raise ValueError(f"The image {path} is in the format {kind}. {HEIF_ADVICE}")
    if pixels is None:
        raise ValueError(f"The image {path} is not an image, or is damaged. {_REMEDY}")
    if jpeg:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    else:
        if pixels.ndim == 3 and pixels.shape[2] >= 3:
            pixels = pixels[..., [2, 1, 0]]
        pixels = _as_rgb8(pixels, f"the image {path}")
        size = pixels.shape[1::-1]
    if upright:
        pixels = _turned(pixels, _orientation(content))
        size = pixels.shape[1::-1]
    return pixels, size, factor


def _check_size(path, width, height):
    """Refuses an image that would fill the memory, before it is decoded."""
    if width * height > _MOST_PIXELS:
        raise ValueError(
            f"The image {path} is {width} x {height} pixels by its header, more than "
            f"{_MOST_PIXELS:,}. It is damaged, or must be made smaller first."
        )


def _png_ends(content):
    """Whether the chunks of a PNG, each with its length in front, lead to its end."""
    at = 8
    while at + 12 <= len(content):
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(content[at : at + 4])
    return False


def _check_png(path, content):
    """Refuses a PNG whose header says more pixels than its file can hold."""
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    _check_size(path, width, height)
    bits = content[24] * {2: 3, 4: 2, 6: 4}.get(content[25], 1)  # of a pixel
    if height * width * bits / 8 > _MOST_INFLATED * len(content):
        raise ValueError(
            f"The image {path} is {width} x {height} pixels by its header, more than its file can "
            f"hold. It is damaged. {_REMEDY}"
        )


def orientation(path: str | os.PathLike) -> int:
    """The EXIF orientation of an image file, 1 to 8; 1 is upright as it is stored, or unknown.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        return _orientation(file.read())


def _orientation(content):
    """The EXIF orientation of an image file (1 to 8), wherever its format has it; 1 if none."""
    if not any(mark in content for mark in _MAY_BE_TURNED):  # quick, as most files are
        return 1
    try:
        with Image.open(io.BytesIO(content)) as image:
            # OpenCV has turned a TIFF already.
            return (
                1 if image.format == "TIFF" else image.getexif().get(ExifTags.Base.Orientation, 1)
            )
    except Exception:  # whatever damaged metadata make of it: shown as it is stored
        return 1


_MAY_BE_TURNED = (b"Exif", b"eXIf", b"EXIF", b"exif", b"Orientation", b"ftypavi")


def _turned(pixels, orientation):
    """Stored pixels, upright (EXIF 2.32, tag Orientation)."""
    if orientation in (5, 6, 7, 8):
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)


# They ignore the EXIF orientation (so does IMREAD_UNCHANGED, which reads other formats).
_JPEG_MODES = tuple(
    (factor, mode | cv2.IMREAD_IGNORE_ORIENTATION)
    for factor, mode in (
        (1, cv2.IMREAD_COLOR),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (8, cv2.IMREAD_REDUCED_COLOR_8),
    )
)


def _jpeg_size(content, path):
    """(width, height) of a JPEG from its header (ITU-T T.81, annex B).

    Raises:
        ValueError: The file is cut off. OpenCV would fill the rest with grey, without an error.
    """
    size = None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            size = (
                int.from_bytes(content[at + 7 : at + 9]),
                int.from_bytes(content[at + 5 : at + 7]),
            )
        if marker == 0xDA:  # start of scan: from here on, FF D9 can only be the end of the image
            if size and content.rfind(b"\xff\xd9", at) >= 0:
                return size
            break
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    raise ValueError(f"The image {path} is truncated or damaged. {_REMEDY}")


def _as_rgb8(pixels, what):
    """Grey, RGB or RGBA of 8 or 16 bits as uint8 (H, W, 3)."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    channels = pixels.shape[-1] if pixels.ndim == 3 else 0
    if channels not in (1, 3, 4) or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"An image must be uint8 or uint16 with 1, 3 or 4 channels, but {what} is "
            f"{pixels.dtype} {pixels.shape}."
        )
    if 0 in pixels.shape:
        raise ValueError(f"An image must have pixels, but {what} is {pixels.shape}.")
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if channels == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(pixels[..., :3])
