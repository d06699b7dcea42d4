"""Times the loader against a straightforward Pillow pipeline, on one thread; or reading video.

    python exp/bench/bench_loader.py
    python exp/bench/bench_loader.py --video

Both load persons from photo-like JPEGs of 1280 x 720 with the same random rotation, scale,
translation, flip and channel power, to crops of 256 x 256 in [-1, 1]. The crop windows are 500 to
750 pixels wide, as for typical MPII persons. Takes about 20 seconds. The last line is the ratio of
the two speeds, about 7 on a 2-core server, and at least 5.

With --video, `deephar.video.read_video` and OpenCV decode a drawn video of 1920 x 1080 in turn, on
as many threads as each likes, and the ratio is that of their speeds, at least 0.95.
"""

import tempfile
import time
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import cv2
import numpy as np
from PIL import Image

from deephar.cli.options import script_parser
from deephar.data import Augmentation, InputSpec, Sample, crop_sample
from deephar.skeletons import get_skeleton
from deephar.video import VideoWriter, read_video


def photo(rng, width=1280, height=720):
    """Random picture with the statistics of a photo: 1/f noise, shapes with edges, sensor noise."""
    picture = np.full((height, width, 3), 128, np.float32)
    for cells in (4, 8, 16, 32, 64, 128, 256):
        noise = rng.normal(size=(max(2, cells * height // width), cells, 3)).astype(np.float32)
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        picture += 60 / np.sqrt(cells) * noise
    for corners in rng.integers(0, (width, height), (40, 3, 2)).astype(np.int32):
        cv2.fillPoly(picture, [corners // 2 + corners[0] // 2], rng.integers(0, 255, 3).tolist())
    picture += rng.normal(0, 4, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def make_samples(folder, count, rng):
    """Writes images and returns one person in each."""
    skeleton = get_skeleton("mpii16")
    samples = []
    for i in range(count):
        path = str(folder / f"{i}.jpg")
        cv2.imwrite(path, photo(rng), [cv2.IMWRITE_JPEG_QUALITY, 90])
        side = rng.uniform(500, 750)
        center = rng.uniform((400, 320), (880, 400))
        joints = center + rng.uniform(-0.4, 0.4, (skeleton.num_joints, 2)) * side
        visible = np.ones(skeleton.num_joints)
        samples.append(Sample(path, joints, visible, "mpii16", center, side, 50.0, str(i)))
    return samples


def with_pillow(sample, size, augmentation, rng):
    """The usual pipeline: open, rotate, crop, resize, flip, channel power."""
    change = augmentation.sample(rng)
    center = sample.center + sample.side * change.shift
    half = sample.side * change.scale / 2
    with Image.open(sample.image) as file:
        image = file.convert("RGB")
    image = image.rotate(change.angle, Image.Resampling.BILINEAR, center=tuple(center))
    box = np.rint([*(center - half), *(center + half)]).astype(int)
    image = image.crop(tuple(box)).resize((size, size), Image.Resampling.BILINEAR)
    if change.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    levels = np.asarray(image, np.float32) / 255
    for channel in range(3):
        levels[..., channel] = np.power(levels[..., channel], change.power[channel])
    return (levels - 0.5) * 2


def with_deephar(sample, size, augmentation, rng):
    """The same with this library."""
    return crop_sample(sample, InputSpec(size), augmentation=augmentation, rng=rng).image


def epoch(load, samples, size, first_seed):
    """Seconds for every sample once; the crops go into one batch, as in training."""
    augmentation = Augmentation()
    batch = np.empty((16, size, size, 3), np.float32)
    start = time.perf_counter()
    for i, sample in enumerate(samples):
        batch[i % 16] = load(sample, size, augmentation, np.random.default_rng(first_seed + i))
    return time.perf_counter() - start


def make_video(path, count, rng):
    """Writes a pan over a picture, with sensor noise and a disc that moves."""
    scene = photo(rng, 1920 + 4 * count, 1080 + count)
    with VideoWriter(path, 30) as writer:
        for number in range(count):
            frame = scene[number : number + 1080, 4 * number : 4 * number + 1920].copy()
            cv2.circle(frame, (1800 - 8 * number, 500), 90, (200, 40, 30), -1)
            noise = rng.normal(0, 2, (1080, 1920, 1)).astype(np.float32)
            writer.write(np.clip(frame + noise, 0, 255).astype(np.uint8))


def read_with_opencv(path):
    """RGB frames, as with OpenCV's FFmpeg."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while (frame := video.read()[1]) is not None:
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def bench_video(arguments):
    """Frames a second of a video, all decoded and none kept."""
    with tempfile.TemporaryDirectory() as folder:
        path, count = Path(folder) / "v.mp4", arguments.frames
        make_video(path, count, np.random.default_rng(0))
        readers = {"OpenCV": read_with_opencv, "deephar": read_video}
        seconds = {name: [] for name in readers}
        for number in range(arguments.rounds + 1):
            for name, read in readers.items():
                start = time.perf_counter()
                assert sum(1 for _ in read(path)) == count
                if number >= 1:  # the first round only warms up
                    seconds[name].append(time.perf_counter() - start)
    print(f"{'reader':10}{'ms a frame':>12}{'frames a second':>17}")
    for name, taken in seconds.items():
        print(f"{name:10}{1000 * min(taken) / count:12.2f}{count / min(taken):17.0f}")
    print(f"ratio: {min(seconds['OpenCV']) / min(seconds['deephar']):.2f}")


def resident_mib():
    """Memory of this process, MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main(argv=None):
    parser = script_parser(__doc__)
    parser.add_argument("--video", action="store_true", help="reading video instead")
    parser.add_argument("--frames", type=int, default=120, help="of the video (%(default)s)")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3, help="the quickest counts")
    arguments = parser.parse_args(argv)
    if arguments.video:
        bench_video(arguments)
        return
    cv2.setNumThreads(1)
    loaders = {"Pillow": with_pillow, "deephar": with_deephar}
    with tempfile.TemporaryDirectory() as folder:
        samples = make_samples(Path(folder), arguments.images, np.random.default_rng(0))
        for load in loaders.values():  # warm up
            epoch(load, samples[:10], arguments.image_size, 0)
        seconds = {name: np.inf for name in loaders}
        grown = {name: 0.0 for name in loaders}
        for i in range(arguments.rounds):
            for name, load in loaders.items():
                before = resident_mib()
                taken = epoch(load, samples, arguments.image_size, 1000 * i)
                seconds[name] = min(seconds[name], taken)
                grown[name] = resident_mib() - before
    print(f"{'loader':10}{'ms a crop':>12}{'crops a second':>17}{'memory growth':>16}")
    for name, taken in seconds.items():
        speed = len(samples) / taken
        print(f"{name:10}{1000 / speed:12.2f}{speed:17.0f}{grown[name]:12.1f} MiB")
    print(f"ratio: {seconds['Pillow'] / seconds['deephar']:.1f}")


if __name__ == "__main__":
    main()
