"""From the image file to the crop: decoding, the warp, augmentation, targets."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from deephar.data import (
    Augmentation,
    InMemory,
    InputSpec,
    Sample,
    crop_batch,
    crop_image,
    crop_sample,
    load_image,
    normalize,
    pose_target,
    unit_depth,
)
from deephar.data.augment import ImageChange
from deephar.geometry import apply_affine, crop_affine, invert_affine
from deephar.skeletons import get_skeleton

STILL = Augmentation(rotation=0, scale=(1, 1), flip=0, translation=0, channel_power=(1, 1))
SMALL = InputSpec(32)


def sample_of(image, **changes):
    fields = {
        "image": image,
        "joints": np.full((16, 2), np.nan),
        "visible": np.full(16, np.nan),
        "skeleton": "mpii16",
        "center": np.array([31.5, 23.5]),
        "side": 40.0,
        "head_size": 5.0,
        "name": "somebody",
    }
    return Sample(**(fields | changes))


def blobs(width, height, points, sigma):
    """Picture with a bright Gaussian spot at each point."""
    y, x = np.mgrid[:height, :width]
    picture = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points)
    return np.repeat((255 * np.clip(picture, 0, 1)).round().astype(np.uint8)[..., None], 3, -1)


def centre_of_spot(crop, near, radius):
    """Centroid of a spot of a crop, in crop pixels."""
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    close = (x - near[0]) ** 2 + (y - near[1]) ** 2 < radius**2
    weight = crop[..., 1] * close.astype(float)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


# --- decoding


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
    with pytest.raises(ValueError, match=r"page\.jpg is no image"):
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


# --- the warp


@pytest.mark.parametrize("kind", ["jpg", "png", "array"])
@pytest.mark.parametrize("shrink", [0.8, 1.5, 2, 3.3, 4.6, 9, 18])
def test_crops_from_reduced_images_are_in_place(tmp_path, kind, shrink):
    size, side = 64, 64 * shrink
    width, height = 1283, 1021  # no multiples of 8
    center = np.array([620.3, 498.7])
    affine = crop_affine(center, side, angle=20, flip=True)
    wanted = np.array([[0.3, 0.35], [0.65, 0.3], [0.52, 0.74]])
    points = apply_affine(invert_affine(affine), wanted)
    picture = blobs(width, height, points, sigma=2 * shrink)
    image = picture
    if kind != "array":
        image = str(tmp_path / f"image.{kind}")
        cv2.imwrite(image, picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    crop = crop_image(image, affine, size)
    for u in apply_affine(affine, points):
        pixel = u * size - 0.5
        assert np.abs(centre_of_spot(crop, pixel, radius=8) - pixel).max() < 0.1


def test_shrinking_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255  # two columns white, two black
    crop = crop_image(stripes, crop_affine((255.5, 255.5), 512), 64)
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_crop_at_full_size_is_the_image_itself():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(crop_image(image, crop_affine((15.5, 15.5), 32), 32), image)


def test_outside_of_the_image_is_black():
    image = np.full((32, 32, 3), 255, np.uint8)
    crop = crop_sample(sample_of(image, center=np.array([-0.5, 15.5]), side=32.0), SMALL).image
    assert (crop[:, :15] == -1).all()
    assert (crop[:, 17:] == 1).all()


# --- reference values


def test_targets_agree_with_the_reference(golden):
    reference = golden("fn_mpii_sample")
    for i in range(4):
        target = pose_target(
            reference[f"s{i}_pose_image"],
            reference[f"s{i}_afmat"],
            source="mpii16",
            skeleton="pa16j",
            flip=bool(reference[f"s{i}_config"][2]),
        )
        np.testing.assert_allclose(target, reference[f"s{i}_pose"], rtol=0, atol=1e-7)


class Fixed:
    """An augmentation that is always the same."""

    def __init__(self, **changes):
        self.change = ImageChange(**changes)

    def sample(self, rng):
        return self.change


def mpii_crop(reference, i):
    """The crop of a person of the reference with the protocol of MPII, and its window's side."""
    angle, scale, flip, *translation = reference[f"s{i}_config"]
    s = 1.25 * reference[f"s{i}_scale"]
    sample = sample_of(
        reference["image"],
        center=reference[f"s{i}_objpos"] + (0, 12 * s),
        side=float(200 * s),
        joints=reference[f"s{i}_pose_image"],
    )
    change = Fixed(angle=angle, scale=scale, flip=bool(flip), shift=np.array(translation) / 200)
    rng = np.random.default_rng(0)
    return crop_sample(sample, InputSpec(64), augmentation=change, rng=rng), 200 * s * scale


def test_windows_agree_with_the_reference_up_to_its_truncation(golden):
    # The published code cuts the corners of the window to integers; here they are kept.
    reference = golden("fn_mpii_sample")
    for i in range(4):
        crop, side = mpii_crop(reference, i)
        corners = [[0, 0], [320, 0], [0, 240], [320, 240]]
        ours, theirs = (apply_affine(a, corners) for a in (crop.affine, reference[f"s{i}_afmat"]))
        assert np.abs(ours - theirs).max() * side < 1
        both = (crop.target[:, 0] > -1) & (reference[f"s{i}_pose"][:, 0] > -1)
        assert both.sum() >= 2
        errors = (crop.target - reference[f"s{i}_pose"])[both, :2]
        assert np.abs(errors).max() * side < 1


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


# --- targets


def test_visibility_of_the_target_says_what_is_known():
    joints = np.full((14, 2), 5.0)
    joints[0] = 25  # right ankle, out of the crop
    joints[5] = np.nan  # left ankle, unlabelled
    target = pose_target(joints, crop_affine((4.5, 4.5), 10), source="lsp14", skeleton="pa16j")
    of = {name: target[i] for i, name in enumerate(get_skeleton("pa16j").joints)}
    unsupervised = np.float32(-1e9)
    assert target.dtype == np.float32
    np.testing.assert_allclose(of["right_knee"], (0.55, 0.55, 1), rtol=1e-6)
    assert of["right_ankle"].tolist() == [unsupervised, unsupervised, 0]
    assert of["left_ankle"].tolist() == [unsupervised, unsupervised, 0]
    assert of["pelvis"].tolist() == [unsupervised] * 3  # LSP has none


def test_flip_swaps_left_and_right():
    skeleton = get_skeleton("pa16j")
    joints = np.random.default_rng(0).uniform(2, 18, (16, 2))
    affine, mirrored = (crop_affine((9.5, 9.5), 20, flip=flip) for flip in (False, True))
    plain = pose_target(joints, affine, source="pa16j", skeleton="pa16j")
    flipped = pose_target(joints, mirrored, source="pa16j", skeleton="pa16j", flip=True)
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    np.testing.assert_allclose(flipped[left, 0], 1 - plain[right, 0], atol=1e-6)
    np.testing.assert_allclose(flipped[left, 1], plain[right, 1], atol=1e-6)


def test_flip_swaps_what_one_side_only_is_known_of():
    joints = np.full((16, 2), 5.0)
    joints[get_skeleton("mpii16").index("left_wrist")] = np.nan
    target = pose_target(
        joints, crop_affine((5, 5), 20, flip=True), source="mpii16", skeleton="pa16j", flip=True
    )
    assert target[get_skeleton("pa16j").index("right_wrist"), 2] == 0
    assert target[get_skeleton("pa16j").index("left_wrist"), 2] == 1


def test_augmented_joints_stay_on_what_they_mark():
    # A bright spot at every joint: whatever the change, there is one at every joint of the target.
    rng = np.random.default_rng(3)
    points = np.stack(np.meshgrid([40, 66, 92, 118], [42, 67, 91, 119]), -1).reshape(16, 2) + 0.3
    image = blobs(160, 160, points, sigma=2.5)
    sample = sample_of(image, joints=points, center=np.full(2, 79.5), side=150.0)
    marked = 0
    for _ in range(20):
        crop = crop_sample(
            sample,
            InputSpec(128, "mpii16"),
            augmentation=Augmentation(channel_power=(1, 1)),
            rng=rng,
        )
        for x, y in crop.target[crop.target[:, 2] == 1, :2] * 128 - 0.5:
            if 8 < x < 119 and 8 < y < 119:
                spot = centre_of_spot(crop.image + 1, (x, y), radius=6)
                assert np.abs(spot - (x, y)).max() < 0.3
                marked += 1
    assert marked > 150


# --- augmentation


def test_no_augmentation_is_the_same_as_one_without_range(build):
    sample = build.dataset(1)[0]
    plain = crop_sample(sample, SMALL)
    still = crop_sample(sample, SMALL, augmentation=STILL, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(plain.image, still.image)
    np.testing.assert_array_equal(plain.target, still.target)


def test_same_seed_same_crop(build):
    sample = build.dataset(1)[0]
    crops = [
        crop_sample(sample, SMALL, augmentation=Augmentation(), rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(crops[0].image, crops[1].image)
    np.testing.assert_array_equal(crops[0].target, crops[1].target)
    assert (crops[0].image != crops[2].image).any()


def test_draws_fill_their_ranges():
    augmentation = Augmentation()
    changes = [augmentation.sample(np.random.default_rng(i)) for i in range(500)]
    for name, low, high in (
        ("angle", -40, 40),
        ("scale", 0.7, 1.3),
        ("shift", -0.1, 0.1),
        ("power", 0.9, 1.1),
    ):
        values = np.array([getattr(change, name) for change in changes])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert 0.4 < np.mean([change.flip for change in changes]) < 0.6


def test_switching_one_change_off_leaves_the_others_as_they_were():
    full, less = (
        augmentation.sample(np.random.default_rng(7))
        for augmentation in (Augmentation(), Augmentation(rotation=0, flip=0))
    )
    assert full.scale == less.scale
    np.testing.assert_array_equal(full.power, less.power)


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": (1.3, 0.7)},
        {"scale": (0, 1)},
        {"channel_power": (0.9, np.inf)},
        {"flip": 1.5},
        {"rotation": -1},
        {"translation": float("nan")},
    ],
)
def test_augmentation_rejects_impossible_ranges(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Augmentation(**changes)


def test_augmentation_needs_a_generator(build):
    with pytest.raises(ValueError, match="Generator"):
        crop_sample(build.dataset(1)[0], SMALL, augmentation=Augmentation())


def test_crop_batch_stacks_crops(build):
    dataset = build.dataset(3)
    images, targets = crop_batch(list(dataset), SMALL, seeds=[1, 2, 3], augmentation=Augmentation())
    rng = np.random.default_rng(2)
    crop = crop_sample(dataset[1], SMALL, augmentation=Augmentation(), rng=rng)
    assert images.shape == (3, 32, 32, 3)
    assert targets.shape == (3, 16, 3)
    np.testing.assert_array_equal(images[1], crop.image)
    np.testing.assert_array_equal(targets[1], crop.target)


# --- images in memory


def test_images_in_memory_are_decoded_once_and_give_the_same_crops(build, tmp_path):
    pictures, files = build.dataset(3), build.dataset(3)
    for number, sample in enumerate(pictures):
        path = str(tmp_path / f"{number}.png")
        assert cv2.imwrite(path, sample.image[..., ::-1])
        files.samples[number] = replace(sample, image=path)
    kept = InMemory(files)
    for path in tmp_path.iterdir():
        path.unlink()
    for sample, original in zip(kept, pictures, strict=True):
        for _ in range(2):
            crop, expected = (
                crop_sample(one, SMALL, augmentation=Augmentation(), rng=np.random.default_rng(3))
                for one in (sample, original)
            )
            np.testing.assert_array_equal(crop.image, expected.image)
            np.testing.assert_array_equal(crop.target, expected.target)


def test_data_sets_in_memory_are_called_as_the_original(build):
    stills = build.dataset(3)
    kept = InMemory(stills)
    assert len(kept) == 3
    assert [sample.name for sample in kept] == [sample.name for sample in stills]
    for name in ("name", "skeleton", "split", "source"):
        assert getattr(kept, name) == getattr(stills, name)
    assert repr(kept) == "InMemory(RandomPictures(3))"


def test_images_that_cannot_be_kept_are_named(build, tmp_path):
    stills = build.dataset(2)
    stills.samples[1] = replace(stills.samples[1], image=str(tmp_path / "b.jpg"))
    with pytest.raises(FileNotFoundError, match=r"b\.jpg does not exist"):
        InMemory(stills)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 and no more")
    with pytest.raises(ValueError, match=r"b\.jpg is truncated"):
        InMemory(stills)


# --- bad samples


@pytest.mark.parametrize("side", [0.0, -5.0, float("nan"), float("inf")])
def test_window_without_a_size_names_the_sample(side):
    with pytest.raises(ValueError, match="'somebody' has no window"):
        crop_sample(sample_of(np.zeros((48, 64, 3), np.uint8), side=side), SMALL)


def test_unknown_position_names_the_sample():
    sample = sample_of(np.zeros((48, 64, 3), np.uint8), center=np.array([np.nan, 5]))
    with pytest.raises(ValueError, match="'somebody' has no window"):
        crop_sample(sample, SMALL)


@pytest.mark.parametrize("center", [(-21, 20), (84, 20), (30, -21), (30, 68.5), (1e6, 1e6)])
def test_person_wholly_outside_of_the_image_names_the_sample(tmp_path, build, center):
    build.image(tmp_path / "a.jpg", 64, 48)
    sample = sample_of(str(tmp_path / "a.jpg"), center=np.array(center, float))
    with pytest.raises(ValueError, match="'somebody' lies wholly outside of its image of 64 x 48"):
        crop_sample(sample, SMALL)


def test_person_partly_outside_of_the_image_is_cropped():
    crop_sample(sample_of(np.zeros((48, 64, 3), np.uint8), center=np.array([-19.0, 20])), SMALL)


def test_joints_of_wrong_length_name_the_sample():
    sample = sample_of(np.zeros((48, 64, 3), np.uint8), joints=np.zeros((14, 2)))
    with pytest.raises(ValueError, match=r"'somebody' has joints of shape \(14, 2\)"):
        crop_sample(sample, SMALL)


# --- depth


def target_3d(depth, source="pa16j", skeleton="pa16j", **changes):
    """Target of joints in the middle of the crop, at the given depths."""
    joints = np.full((get_skeleton(source).num_joints, 2), 20.0)
    affine = crop_affine((20, 20), 40)
    arguments = {"source": source, "skeleton": skeleton, "dim": 3, "depth": depth}
    return pose_target(joints, affine, **(arguments | changes))


def test_depth_is_relative_to_the_pelvis():
    depth = np.full(16, 5000.0)
    depth[0], depth[4] = 4700, 4100  # pelvis, right shoulder
    target = target_3d(depth)
    assert target.shape == (16, 4)
    assert target.dtype == np.float32
    np.testing.assert_allclose(target[[0, 4, 5], 2], [0.5, 0.5 - 600 / 2000, 0.5 + 300 / 2000])
    assert (target[:, 3] == 1).all()


def test_depth_that_is_unknown_or_out_of_range_is_not_supervised():
    depth = np.zeros(16)
    depth[[3, 4, 5, 6]] = np.nan, 1001, -1001, 1000
    target = target_3d(depth)
    np.testing.assert_array_equal(target[[3, 4, 5], 2], np.float32(-1e9))
    assert target[6, 2] == 1
    assert (target[:, 3] == 1).all()
    assert (target[:, :2] == 0.5).all()
    depth[0] = np.nan
    assert (target_3d(depth)[:, 2] == np.float32(-1e9)).all()
    assert (target_3d(None)[:, 2] == np.float32(-1e9)).all()


def test_depth_is_not_supervised_out_of_the_crop():
    affine = crop_affine((20, 20), 40)
    joints = np.full((16, 2), 20.0)
    joints[7] = 41, 20
    target = pose_target(
        joints, affine, dim=3, depth=np.zeros(16), source="pa16j", skeleton="pa16j"
    )
    np.testing.assert_array_equal(target[7], np.float32([-1e9, -1e9, -1e9, 0]))


def test_depth_changes_names_with_a_flip():
    depth = 10.0 * np.arange(16)
    skeleton = get_skeleton("pa16j")
    z, flipped = (target_3d(depth, flip=flip)[:, 2] for flip in (False, True))
    np.testing.assert_array_equal(flipped, z[skeleton.flip])


def test_depth_without_a_pelvis_is_relative_to_the_hips():
    skeleton = get_skeleton("penn13")
    depth = np.zeros(13)
    depth[skeleton.index("right_hip")] = 200
    z = unit_depth(depth, "penn13", "pa16j")
    assert np.isnan(z[:3]).all()
    np.testing.assert_allclose(z[3], 0.5 - 100 / 2000)


def test_targets_in_2d_are_those_in_3d_without_depth():
    rng = np.random.default_rng(0)
    joints = rng.uniform(-5, 45, (7, 16, 2))
    joints[rng.random((7, 16)) < 0.2] = np.nan
    affine = crop_affine((20, 20), 40, angle=15, flip=True)
    kind = {"source": "mpii16", "skeleton": "pa17j", "flip": True}
    flat = pose_target(joints, affine, **kind)
    deep = pose_target(joints, affine, dim=3, depth=rng.normal(0, 300, (7, 16)), **kind)
    np.testing.assert_array_equal(flat, deep[..., [0, 1, 3]])
    for t in range(7):  # several images at once
        one = pose_target(joints[t], affine, **kind)
        np.testing.assert_array_equal(flat[t], one)


def test_stills_with_and_without_depth_make_one_batch():
    image = np.full((48, 64, 3), 90, np.uint8)
    joints = np.full((16, 2), 25.0)
    flat = sample_of(image, joints=joints)
    deep = sample_of(image, joints=joints, joints_3d=np.full((16, 3), 4000.0))
    images, targets = crop_batch([flat, deep], InputSpec(16, dim=3))
    assert targets.shape == (2, 16, 4)
    assert (targets[0, :, 2] == np.float32(-1e9)).all()
    assert (targets[1, :, 2] == 0.5).all()
    np.testing.assert_array_equal(targets[0][:, [0, 1, 3]], targets[1][:, [0, 1, 3]])
    np.testing.assert_array_equal(images[0], images[1])


def test_bad_depths_and_dimensions():
    with pytest.raises(ValueError, match="dim must be 2 or 3, got 4"):
        target_3d(None, dim=4)
    with pytest.raises(ValueError, match="must have the shape"):
        target_3d(np.zeros(15))
    sample = sample_of(np.zeros((48, 64, 3), np.uint8), joints_3d=np.zeros((16, 2)))
    with pytest.raises(ValueError, match=r"'somebody' has joints_3d of shape \(16, 2\)"):
        crop_sample(sample, InputSpec(16, dim=3))
