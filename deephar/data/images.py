"""From an image file and an annotation to the network's input and target.

An image is decoded (JPEG at reduced size where the crop allows it) and brought to the crop by one
affine warp, which holds the crop window, rotation, scale, flip and translation. Everything random
is drawn from a `numpy.random.Generator` that is passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from deephar.data.samples import Sample, Subset
from deephar.geometry import apply_affine, crop_affine, warp_matrix
from deephar.skeletons import UNSUPERVISED, Skeleton, convert, get_skeleton, joint_map

DEPTH_RANGE = 2000.0
"""Depths of this many mm, half of them behind the pelvis, are 0 to 1 for the network."""

# A window of exactly twice the crop may be shrunk by 2, whatever the last digit says.
_ROUNDING = 1 + 1e-9

_REMEDY = (
    "Get the images as the README of the data set says (datasets/); "
    "`python -m deephar.data.check` lists all that are missing or damaged."
)


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes to a training image. The defaults are those of the paper.

    Attributes:
        rotation: largest angle to either side, degrees.
        scale: smallest and largest factor on the side of the crop window; the person appears
            smaller in a larger window.
        flip: probability of a horizontal flip (with left and right joints swapped).
        translation: largest shift of the window to any side, as a fraction of its side before
            scaling. The paper gives no number; 0.1 keeps most joints of most people in the crop.
        channel_power: smallest and largest exponent on each channel's values in [0, 1].
        colour: largest relative change of each channel's brightness; 0 = off.
        occlusion: probability of hiding a random rectangle (sides 0.1 to 0.4 of the crop) under a
            random colour; 0 = off. Targets stay, so that the network learns to guess.

    Raises:
        ValueError: a range is empty or out of bounds.
    """

    rotation: float = 40.0
    scale: tuple[float, float] = (0.7, 1.3)
    flip: float = 0.5
    translation: float = 0.1
    channel_power: tuple[float, float] = (0.9, 1.1)
    colour: float = 0.0
    occlusion: float = 0.0

    def __post_init__(self):
        for name in ("scale", "channel_power"):
            low, high = getattr(self, name)
            if not 0 < low <= high < np.inf:
                raise ValueError(
                    f"{name} must be (low, high) with 0 < low <= high, got {low, high}."
                )
        for name, high in (("rotation", 180), ("translation", 1)):
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be 0 to {high}, got {getattr(self, name)}.")
        for name in ("flip", "colour", "occlusion"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}.")

    def draw(self, rng: np.random.Generator) -> "Draw":
        """Picks one random change within the ranges."""
        # Always as many numbers in the same order: switching one change on or off leaves the rest
        # of an experiment's random choices as they were.
        u = rng.random(20)
        size = 0.1 + 0.3 * u[13:15]
        corner = u[15:17] * (1 - size)
        return Draw(
            angle=_between(-self.rotation, self.rotation, u[0]),
            scale=_between(*self.scale, u[1]),
            flip=bool(u[2] < self.flip),
            shift=_between(-self.translation, self.translation, u[3:5]),
            power=_between(*self.channel_power, u[5:8]),
            gain=_between(1 - self.colour, 1 + self.colour, u[8:11]),
            hidden=np.concatenate([corner, corner + size]) if u[11] < self.occlusion else None,
            hidden_colour=255 * u[17:20],
        )


class Draw(NamedTuple):
    """One random change, as `Augmentation.draw` picks it; by default none.

    Attributes:
        angle: degrees, counter-clockwise on the screen.
        scale: factor on the side of the window.
        flip: whether to mirror the crop.
        shift: (2,), shift of the window in x and y, as a fraction of its side.
        power: (3,), exponents of the channels.
        gain: (3,), factors of the channels.
        hidden: rectangle (x1, y1, x2, y2) of the unit crop to hide, or None.
        hidden_colour: (3,), its colour, 0 to 255.
    """

    angle: float = 0.0
    scale: float = 1.0
    flip: bool = False
    shift: Sequence[float] = (0.0, 0.0)
    power: Sequence[float] = (1.0, 1.0, 1.0)
    gain: Sequence[float] = (1.0, 1.0, 1.0)
    hidden: Sequence[float] | None = None
    hidden_colour: Sequence[float] = (0.0, 0.0, 0.0)

    def affine(self, center: Sequence[float], side: float) -> np.ndarray:
        """Map (3, 3) from image pixels to the unit crop of the changed window.

        Args:
            center: (2,), centre of the window before the change, pixels.
            side: its side, pixels.
        """
        center = np.asarray(center) + side * np.asarray(self.shift)
        return crop_affine(center, side * self.scale, self.angle, self.flip)

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Network input float32 (S, S, 3) of a crop uint8 (S, S, 3), with the change of colours.

        Writes the hidden rectangle into `pixels`.
        """
        if self.hidden is not None:
            x1, y1, x2, y2 = np.rint(np.multiply(self.hidden, len(pixels))).astype(int)
            pixels[y1:y2, x1:x2] = self.hidden_colour
        return normalize(pixels, self.power, self.gain)


def draw_change(augmentation: Augmentation | None, rng: np.random.Generator | None) -> Draw:
    """One random change; without `augmentation`, the one that changes nothing.

    Raises:
        ValueError: augmentation without `rng`.
    """
    if augmentation is None:
        return Draw()
    if rng is None:
        raise ValueError("Augmentation needs `rng`, a numpy.random.Generator to draw from.")
    return augmentation.draw(rng)


def _between(low, high, u):
    return low + (high - low) * u


@dataclass(frozen=True, eq=False)
class Crop:
    """A sample as the network takes it.

    Attributes:
        image: float32 (S, S, 3), RGB in [-1, 1]; -1 (black) outside of the picture.
        target: float32 (joints, dim + 1), see `pose_target`.
        affine: (3, 3), image pixels to the unit crop, with all augmentation in it.
    """

    image: np.ndarray
    target: np.ndarray
    affine: np.ndarray


def crop_sample(
    sample: Sample,
    image_size: int = 256,
    skeleton: str | Skeleton = "pa16j",
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
    dim: int = 2,
) -> Crop:
    """The network's input and target for one person.

    Args:
        sample: the person.
        image_size: side S of the crop in pixels.
        skeleton: skeleton of the target.
        augmentation: random changes; None for none.
        rng: source of all random choices; needed with `augmentation`.
        dim: coordinates of a joint in the target, 2 or 3.

    Returns:
        The crop.

    Raises:
        FileNotFoundError: the image file does not exist.
        ValueError: the image cannot be decoded; the sample's window is empty or does not touch the
            image; it has the wrong number of joints; augmentation without `rng`.
    """
    _check_sample(sample)
    draw = draw_change(augmentation, rng)
    affine = draw.affine(sample.center, sample.side)
    pixels, size = crop_and_size(sample.image, affine, image_size)
    if not window_touches(sample, size):
        raise ValueError(
            outside_message(f"Sample {sample.name!r}", sample.center, sample.side, size)
        )
    depth = None if sample.joints_3d is None else sample.joints_3d[:, 2]
    return Crop(
        image=draw.finish(pixels),
        target=pose_target(sample.joints, sample.skeleton, skeleton, affine, draw.flip, dim, depth),
        affine=affine,
    )


def crop_batch(
    samples: Sequence[Sample],
    seeds: Sequence[Sequence[int]] | None,
    image_size: int = 256,
    skeleton: str | Skeleton = "pa16j",
    augmentation: Augmentation | None = None,
    dim: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """The crops of several persons, stacked.

    Args:
        samples: B persons.
        seeds: for each person what `numpy.random.default_rng` takes; None without augmentation.
        image_size: side S of the crops in pixels.
        skeleton: skeleton of the targets.
        augmentation: random changes; None for none.
        dim: coordinates of a joint in the targets, 2 or 3.

    Returns:
        Images float32 (B, S, S, 3) and targets float32 (B, joints, dim + 1).

    Raises:
        FileNotFoundError: as `crop_sample`.
        ValueError: as `crop_sample`.
    """
    images = np.empty((len(samples), image_size, image_size, 3), np.float32)
    targets = np.empty((len(samples), get_skeleton(skeleton).num_joints, dim + 1), np.float32)
    for i, sample in enumerate(samples):
        rng = None if augmentation is None else np.random.default_rng(seeds[i])
        crop = crop_sample(sample, image_size, skeleton, augmentation, rng, dim)
        images[i], targets[i] = crop.image, crop.target
    return images, targets


def pose_target(
    joints: np.ndarray,
    source: str | Skeleton,
    skeleton: str | Skeleton,
    affine: np.ndarray,
    flip: bool = False,
    dim: int = 2,
    depth: np.ndarray | None = None,
) -> np.ndarray:
    """The target of the network for the joints of a person, in one image or in several.

    Args:
        joints: (..., source joints, 2), pixels, NaN where unlabelled.
        source: skeleton of `joints`.
        skeleton: skeleton of the target.
        affine: (3, 3), image pixels to the unit crop.
        flip: whether `affine` mirrors the image, so that left and right change names.
        dim: coordinates of a joint, 2 or 3.
        depth: (..., source joints), distance of each joint along the camera's axis in mm, NaN
            where unknown; None = unknown. Not used if `dim` is 2.

    Returns:
        float32 (..., joints, dim + 1): x and y in the unit crop, -1e9 where the joint is
        unlabelled or out of the crop; z if `dim` is 3; and visibility: 1 in the crop; 0 out of it,
        or unlabelled (annotators leave out what is not in the picture); -1e9 where `source` does
        not have the joint at all. For z see `unit_depth`; it is -1e9 where x and y are, where it
        is unknown, and where it is not in 0 to 1.

    Raises:
        ValueError: wrong shapes, or `dim` is neither 2 nor 3.
    """
    if dim not in (2, 3):
        raise ValueError(f"dim must be 2 or 3, got {dim!r}.")
    skeleton = get_skeleton(skeleton)
    points = apply_affine(affine, convert(joints, source, skeleton))
    in_source = joint_map(source, skeleton) >= 0
    if flip:
        points, in_source = points[..., skeleton.flip, :], in_source[skeleton.flip]
    inside = ((points >= 0) & (points <= 1)).all(axis=-1)  # NaN is not
    target = np.full((*inside.shape, dim + 1), UNSUPERVISED, np.float32)
    target[inside, :2] = points[inside]
    target[..., in_source, dim] = inside[..., in_source]
    if dim == 3 and depth is not None:
        z = unit_depth(depth, source, skeleton)
        z = z[..., skeleton.flip] if flip else z
        known = inside & (z >= 0) & (z <= 1)
        target[known, 2] = z[known]
    return target


def unit_depth(depth: np.ndarray, source: str | Skeleton, skeleton: str | Skeleton) -> np.ndarray:
    """Depth as the network takes it: ``(Z - Z of the pelvis) / 2000 mm + 0.5``.

    So 0.5 is the depth of the pelvis, and 0 to 1 is 1 m before it to 1 m behind it. Where `source`
    has no pelvis, the middle of the hips takes its place.

    Args:
        depth: (..., source joints), distance along the camera's axis in mm, NaN where unknown.
        source: skeleton of `depth`.
        skeleton: skeleton wanted.

    Returns:
        float64 (..., joints); NaN where the joint, or the pelvis, is unknown.

    Raises:
        ValueError: wrong number of joints, or `source` has neither pelvis nor hips.
    """
    source = get_skeleton(source)
    depth = np.asarray(depth, float)
    converted = convert(depth[..., None], source, skeleton)[..., 0]
    root = ("pelvis",) if "pelvis" in source.joints else ("right_hip", "left_hip")
    root = depth[..., [source.index(joint) for joint in root]].mean(axis=-1, keepdims=True)
    return (converted - root) / DEPTH_RANGE + 0.5


def load_image(image: str | np.ndarray) -> np.ndarray:
    """The pixels of an image, as they are stored in the file.

    An orientation in the EXIF data is *not* applied: the annotations of the data sets refer to the
    stored pixels (MATLAB, with which they were made, and most loaders ignore EXIF).

    Args:
        image: path of a file (JPEG, PNG and what else OpenCV reads), or an array (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16, RGB(A).

    Returns:
        uint8 (H, W, 3), RGB. Grey is repeated, transparency is dropped, 16 bits are divided by 257.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is truncated or no image, or the array is none of the above.
    """
    return _open(image).pixels


class InMemory(Subset):
    """A data set of stills whose images are decoded (or drawn) once and kept.

    For data sets that fit: 1000 images of 256 x 256 pixels take 200 MB.

    Args:
        dataset: a data set of stills.

    Raises:
        FileNotFoundError: as `load_image`.
        ValueError: as `load_image`.
    """

    def __init__(self, dataset):
        super().__init__(dataset, range(len(dataset)))
        self._samples = [
            replace(sample, image=load_image(sample.image))
            for sample in map(dataset.__getitem__, range(len(dataset)))
        ]

    def __getitem__(self, index):
        return self._samples[index]

    def __repr__(self):
        return f"InMemory({self.dataset!r})"


def crop_image(image: str | np.ndarray, affine: np.ndarray, image_size: int = 256) -> np.ndarray:
    """What an affine map shows of an image.

    Args:
        image: path or array, as for `load_image`.
        affine: (3, 3), image pixels to the unit crop (`deephar.geometry.crop_affine`).
        image_size: side S of the crop in pixels.

    Returns:
        uint8 (S, S, 3), RGB; black outside of the image.

    Raises:
        FileNotFoundError: as `load_image`.
        ValueError: as `load_image`.
    """
    return crop_and_size(image, affine, image_size)[0]


def crop_and_size(
    image: str | np.ndarray, affine: np.ndarray, image_size: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """As `crop_image`, and the (width, height) of the whole image."""
    picture = _open(image, _shrinkage(affine, image_size))
    return _warp(picture, affine, image_size), (picture.width, picture.height)


def normalize(
    pixels: np.ndarray,
    power: float | Sequence[float] = 1.0,
    gain: float | Sequence[float] = 1.0,
) -> np.ndarray:
    """Grey levels to the network's range: ``((gain * v / 255) ** power - 0.5) * 2``.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        power: exponent, or one for each channel.
        gain: factor, or one for each channel; products are cut at 1.

    Returns:
        float32 (H, W, 3) in [-1, 1].

    Raises:
        ValueError: `pixels` is of another type or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"normalize needs uint8 pixels (H, W, 3), got {pixels.dtype} {pixels.shape}."
        )
    levels = np.linspace(0, 1, 256)[:, None]
    levels = np.minimum(levels * np.broadcast_to(gain, 3), 1) ** np.broadcast_to(power, 3)
    # A table of the 256 levels instead of a power of every pixel.
    return cv2.LUT(pixels, ((levels - 0.5) * 2).astype(np.float32)[:, None])


def window_touches(sample: Sample, size: Sequence[int]) -> bool:
    """Whether any of an image of `size` (width, height) is inside the sample's crop window."""
    return touches(sample.center, sample.side, size)


def touches(center: np.ndarray, side: float, size: Sequence[int]) -> bool:
    """Whether any of an image of `size` (width, height) is inside a square window."""
    low, high = center - side / 2, center + side / 2
    return bool((high > -0.5).all() and (low < np.array(size) - 0.5).all())


def outside_message(who: str, center: np.ndarray, side: float, size: Sequence[int]) -> str:
    """The error for a window that does not touch the image."""
    low, high = center - side / 2, center + side / 2
    return (
        f"{who} lies wholly outside of its image of {size[0]} x {size[1]} pixels: its window is "
        f"({low[0]:.0f}, {low[1]:.0f}, {high[0]:.0f}, {high[1]:.0f}). Correct its position and "
        "scale in the annotation, or remove it."
    )


class _Picture(NamedTuple):
    """A decoded image, possibly shrunk.

    Pixel (x, y) of the full image is at ``(x + 0.5) / factor - 0.5`` of `pixels`.
    """

    pixels: np.ndarray  # uint8 (h, w, 3), RGB
    width: int  # of the full image
    height: int
    factor: tuple[float, float]  # full size / size of `pixels`, in x and y


def _shrinkage(affine, image_size):
    """By how much the image may be shrunk before the warp: image pixels in a crop pixel."""
    return 1 / (image_size * np.sqrt(abs(np.linalg.det(affine[:2, :2]))))


def _warp(picture, affine, image_size):
    (fx, fy) = picture.factor
    to_full = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
    matrix = warp_matrix(affine, image_size) @ to_full
    return cv2.warpAffine(
        picture.pixels, matrix[:2], (image_size, image_size), flags=cv2.INTER_LINEAR
    )


def _open(image, shrinkage=1.0):
    """Image as a `_Picture`, shrunk by at most `shrinkage`.

    The warp interpolates between four pixels, so more than two image pixels to a crop pixel would
    alias. JPEG is shrunk by 2, 4 or 8 while decoding, which also saves most of the time; what is
    left, and other images, by averaging.
    """
    if isinstance(image, np.ndarray):
        pixels, factor = _as_rgb8(image, "the array"), 1
        height, width = pixels.shape[:2]
    else:
        pixels, (width, height), factor = _decode(image, shrinkage)
    factors = (float(factor), float(factor))
    rest = int(shrinkage * _ROUNDING / factor)
    if rest >= 2:
        h, w = pixels.shape[:2]
        small = (max(1, round(w / rest)), max(1, round(h / rest)))
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        factors = (factor * w / small[0], factor * h / small[1])
    return _Picture(pixels, width, height, factors)


def _decode(path, shrinkage):
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
    elif content.startswith(b"\x89PNG") and b"IEND" not in content:
        raise ValueError(f"The image {path} is truncated. {_REMEDY}")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError(f"The image {path} cannot be decoded: no image, or damaged. {_REMEDY}")
    if jpeg:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), size, factor
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        pixels = pixels[..., [2, 1, 0]]
    pixels = _as_rgb8(pixels, f"the image {path}")
    return pixels, pixels.shape[1::-1], 1


# The annotations refer to the stored pixels, so EXIF orientation is ignored (IMREAD_UNCHANGED,
# which other formats are read with, ignores it too).
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
        ValueError: the file is cut off. OpenCV would fill the rest with grey without a word.
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


def _check_sample(sample):
    where = f"Sample {sample.name!r}"
    if np.shape(sample.joints) != (get_skeleton(sample.skeleton).num_joints, 2):
        raise ValueError(
            f"{where} has joints of shape {np.shape(sample.joints)}; its skeleton "
            f"{sample.skeleton!r} needs ({get_skeleton(sample.skeleton).num_joints}, 2)."
        )
    if sample.joints_3d is not None and np.shape(sample.joints_3d) != (len(sample.joints), 3):
        raise ValueError(
            f"{where} has joints_3d of shape {np.shape(sample.joints_3d)}, expected "
            f"({len(sample.joints)}, 3)."
        )
    if not (np.isfinite(sample.side) and sample.side > 0 and np.isfinite(sample.center).all()):
        raise ValueError(
            f"{where} has no window to crop: centre {sample.center}, side {sample.side} pixels. "
            "Correct its position and scale in the annotation, or remove it."
        )
