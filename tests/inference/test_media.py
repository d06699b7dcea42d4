"""Pictures and videos as they come in: upright, of one size, with their times."""

import numpy as np
import pytest
from blobs import film, picture
from PIL import Image

from deephar.data import load_image
from deephar.inference.media import Segment, load_picture, load_video
from deephar.video import VideoWriter, read_video


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_as_their_exif_data_say(tmp_path, orientation, suffix):
    stored = picture(120, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    # A profile that is longer than a segment of a JPEG comes before the EXIF data.
    options = {"icc_profile": bytes(200_000)} if suffix == "jpg" else {}
    Image.fromarray(stored).save(path, quality=95, exif=exif, **options)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    loaded = load_picture(path)
    assert loaded.shape == upright.shape
    assert np.abs(loaded.astype(int) - upright).max() < 40  # JPEG


def test_the_exif_data_of_a_png_turn_it(real_data):
    path = real_data / "faults" / "exif6.png"
    if not path.is_file():
        pytest.skip("the picture is not at hand")
    with Image.open(path) as file:
        stored = np.asarray(file.convert("RGB"))
    np.testing.assert_array_equal(load_picture(path), np.rot90(stored, -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_do_not_turn_a_picture(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture(120, 40)).save(path, exif=b"Exif\0\0II*\0nonsense that is no table")
    assert load_picture(path).shape == (150, 200, 3)


def test_pixels_are_taken_as_they_are():
    np.testing.assert_array_equal(load_picture(picture(120, 40)), picture(120, 40))


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.heif", "IMG_1.jpg"])
@pytest.mark.parametrize(
    ("brands", "form"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"heix\0\0\0\0mif1heix", "HEIC"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"avif\0\0\0\0avifmif1", "AVIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
    ],
)
def test_of_a_picture_that_phones_take_it_is_said_how_to_convert_it(tmp_path, brands, form, name):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftyp" + brands + bytes(100))
    for load in (load_picture, load_image):
        with pytest.raises(ValueError, match=rf"{name} is .*format {form}\. Convert it to JPEG"):
            load(path)


def test_heic_pictures_in_a_folder_are_not_passed_over(tmp_path):
    Image.fromarray(picture(120, 40)).save(tmp_path / "1.jpg")
    (tmp_path / "2.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ValueError, match=r"2\.HEIC is a picture in the format HEIC"):
        list(load_video(tmp_path).frames)


@pytest.mark.parametrize("nonsense", [None, 0])
def test_a_number_is_not_taken_for_a_picture(nonsense):
    with pytest.raises(ValueError, match="A picture must be an array or the path of a file"):
        load_picture(nonsense)


def test_frames_have_the_times_of_the_frame_rate():
    video = load_video(film(3), 10)
    assert (video.name, video.num_frames) == ("The video", 3)
    assert [time for _, time in video.frames] == [0, 0.1, 0.2]
    assert load_video(iter(film(3))).num_frames == 0
    assert [time for _, time in load_video(film(2)).frames] == [0, 1 / 30]


def test_a_picture_is_not_taken_for_a_video():
    with pytest.raises(ValueError, match="call the predictor itself"):
        next(load_video(picture(120, 40)).frames)


def test_a_frame_rate_must_be_positive():
    with pytest.raises(ValueError, match="fps must be positive"):
        next(load_video(film(2), 0).frames)


def test_time_stamps_that_do_not_rise_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 20) as writer:
        writer.write(picture(120, 40))
    for times in ([0, 0.1, 0.1], [0, 0.1, 0.05], [0, 0.1, float("nan")]):
        frames = list(zip(film(3), times, strict=True))
        monkeypatch.setattr(
            "deephar.inference.media.read_video", lambda _, its=frames, **__: iter(its)
        )
        message = r"film\.mp4 has time stamps that do not rise: frame 2 is at .* before at 0\.100 s"
        with pytest.raises(ValueError, match=message):
            list(load_video(path).frames)


def test_a_segment_holds_the_frames_between_two_times():
    frames = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    footage = load_video(Segment(frames, 0.2, 0.5), 10)
    assert [(image[0, 0, 0], round(time, 3)) for image, time in footage.frames] == [
        (2, 0.2),
        (3, 0.3),
        (4, 0.4),
    ]
    rest = load_video(Segment(frames, start=0.75), 10)
    assert [image[0, 0, 0] for image, _ in rest.frames] == [8, 9]
    whole = load_video(Segment(frames), 10)
    assert (len(list(whole.frames)), whole.num_frames) == (10, 10)


def test_a_segment_of_a_long_file_is_found_in_it(tmp_path, monkeypatch):
    starts = []

    def read(path, *, start):
        starts.append(start)
        return read_video(path, start=start)

    monkeypatch.setattr("deephar.inference.media.read_video", read)
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 10) as writer:
        for number in range(300):
            writer.write(np.full((16, 16, 3), number % 200, np.uint8))
    whole = list(load_video(path).frames)
    part = list(load_video(Segment(path, 20.0, 22.0)).frames)
    assert [time for _, time in part] == pytest.approx(np.arange(20.0, 22.0, 0.1))
    assert starts == [0.0, 20.0]
    for (image, _), (expected, _) in zip(part, whole[200:220], strict=True):
        np.testing.assert_array_equal(image, expected)


def test_footage_that_lasts_longer_than_it_may_is_refused():
    frames = np.zeros((20, 4, 4, 3), np.uint8)
    assert len(list(load_video(frames, 10).within(2).frames)) == 20
    with pytest.raises(ValueError, match=r"more than the 1\.5 seconds"):
        list(load_video(frames, 10).within(1.5).frames)


def test_thinned_footage_keeps_the_mean_rate():
    frames = np.zeros((90, 4, 6, 3), np.uint8)
    for rate in (30, 25, 12):
        times = [time for _, time in load_video(frames, rate).thinned(10).frames]
        assert len(times) == pytest.approx(10 * 90 / rate, abs=2)
    assert len(list(load_video(frames, 8).thinned(10).frames)) == 90


def test_mirrored_footage_exchanges_left_and_right():
    frames = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3)
    ((image, _),) = load_video(frames).mirrored().frames
    np.testing.assert_array_equal(image, frames[0, :, ::-1])
