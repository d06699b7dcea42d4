"""The predictor, with a network that finds a bright blob, and with a small real one."""

import json
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from PIL import Image

import deephar
from deephar import Predictor, weights
from deephar.camera import Camera
from deephar.data.targets import depth_mm
from deephar.inference import annotate
from deephar.inference.annotate import annotate_video
from deephar.inference.person import Person
from deephar.inference.poses import pose_in_image
from deephar.models import ModelConfig, build_model
from deephar.skeletons import get_skeleton
from deephar.video import VideoWriter, read_video, video_info
from deephar.visualize import draw_views

SIZE = 64
ACTIONS = ["bowl", "squat", "walk"]
SMALL = {
    "image_size": SIZE,
    "stem_features": 16,
    "growth": 8,
    "num_pyramids": 1,
    "num_levels": 2,
}
CLIPS = ModelConfig(
    **SMALL, num_frames=4, actions={"dots": 3}, pose_features=16, appearance_features=16
)


def blob_poses(images, dim):
    """Poses (B, 1, 16, dim + 1): the joints are at the corners of what is bright."""
    centres = (np.arange(SIZE) + 0.5) / SIZE
    poses = np.full((len(images), 1, 16, dim + 1), 0.75)
    for pose, image in zip(poses[:, 0], images, strict=True):
        bright = image.mean(axis=-1) > 0.3
        pose[:, -1] = bright.any()
        if bright.any():
            x, y = centres[bright.any(axis=0)], centres[bright.any(axis=1)]
            corners = [(x[0], y[0]), (x[-1], y[0]), (x[-1], y[-1]), (x[0], y[-1])]
            pose[:, :2] = np.tile(corners, (4, 1))
    return poses


def blob_network(config):
    """A function that stands in for the network of a config; remembers the shapes it is given."""

    def network(images):
        network.shapes.append(images.shape)
        if images.ndim == 4:
            return {"pose": blob_poses(images, config.dim)}
        poses = [blob_poses(clip, config.dim) for clip in images]
        level = images.mean(axis=(1, 2, 3, 4))
        scores = np.stack([np.full(len(level), 0.5), 0.3 - 0.1 * level, 0.2 + 0.1 * level], -1)
        return {"pose": np.stack(poses), "action_dots": scores[:, None]}

    network.shapes = []
    return network


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    """Builder of predictors whose network finds blobs: ``blobs(config, **facts)``."""

    def build(config=CLIPS, head=None, **facts):
        path = tmp_path / "blob.h5"
        weights.save(keras.Sequential(), config, path, **facts)
        network = blob_network(config)
        monkeypatch.setattr(weights, "load_model", lambda name: (network, config))
        return Predictor(path, head)

    return build


POSES = ModelConfig(**SMALL)


def picture(x, y, width=200, height=150, size=(20, 30)):
    """A black picture with a white rectangle, its top left pixel at (x, y)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + size[1], x : x + size[0]] = 255
    return image


def corners(x, y, size=(20, 30)):
    right, low = x + size[0] - 1, y + size[1] - 1
    return np.tile([(x, y), (right, y), (right, low), (x, low)], (4, 1))


def film(count, **options):
    """Pictures of a rectangle that moves to the right by a pixel a frame."""
    return [picture(40 + number, 60, **options) for number in range(count)]


# --- pictures ---


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_a_person_is_found_in_a_picture(blobs, config):
    person = blobs(config)(picture(120, 40))
    np.testing.assert_allclose(person.joints, corners(120, 40), atol=1)
    np.testing.assert_array_equal(person.visibility, 1)
    # 1.2 for the box and 1.25 for the window, times what the joints take up.
    assert person.box[2] - person.box[0] == pytest.approx(1.5 * 30, rel=0.15)
    np.testing.assert_allclose((person.box[:2] + person.box[2:]) / 2, [129.5, 54.5], atol=2)
    assert person.skeleton == "pa16j"
    assert person.action is None
    assert person.time is None


def test_a_box_is_enlarged_by_the_margin_to_a_square(blobs):
    predictor = blobs(POSES)
    box = (110, 40, 150, 60)
    np.testing.assert_allclose(predictor(picture(120, 40), box).box, [105, 25, 155, 75])
    np.testing.assert_allclose(predictor(picture(120, 40), box, margin=1).box, [110, 30, 150, 70])
    again = predictor(picture(120, 40), (110, 30, 150, 70), margin=1)
    np.testing.assert_allclose(again.joints[:, 0], corners(120, 40)[:, 0], atol=0.7)


def test_depth_is_in_mm_relative_to_the_root(blobs):
    config = ModelConfig(**SMALL, dim=3, depth="volumetric")
    person = blobs(config)(picture(120, 40))
    assert person.joints.shape == (16, 3)
    np.testing.assert_allclose(person.joints[:, 2], 500)
    np.testing.assert_allclose(person.joints[:, :2], corners(120, 40), atol=1)


# --- poses in space ---


def person_of(golden, number):
    """A person as the published code's case has it: from a crop to pixels and mm."""
    arrays = golden("fn_camera")
    pose = pose_in_image(arrays["pred"][number], arrays["afmat"][number], None)
    joints = np.concatenate([pose[:, :2], depth_mm(pose[:, 2:3])], axis=1)
    root_depth = arrays["root_z"][number]
    return make_person(joints), root_depth, arrays["projected"][number]


def make_person(joints):
    joints = np.asarray(joints, float)
    return Person(joints, np.ones(len(joints)), np.array([0.0, 0, 200, 200]), "h36m17")


CAMERA = Camera(focal=(500, 500), center=(100, 100))
LENS = {"radial": [-0.2, 0.24, -0.002], "tangential": [-0.0009, -0.0016]}


@pytest.mark.parametrize("lens", [{}, LENS])
@pytest.mark.parametrize("number", range(5))
def test_joints_in_space_are_those_of_the_published_case(golden, number, lens):
    person, root_depth, projected = person_of(golden, number)
    camera = Camera(focal=(1145, 1143), center=(512, 515), **lens)
    points = person.joints_in_space(camera, root_depth)
    np.testing.assert_allclose(points[:, 2], projected[:, 2], atol=1e-6)
    np.testing.assert_allclose(camera.project(points), projected[:, :2], atol=1e-5)
    if not lens:  # an ideal camera: by hand
        flat = (projected[:, :2] - camera.center) / camera.focal * projected[:, 2:]
        np.testing.assert_allclose(points[:, :2], flat, atol=1e-6)


def test_joints_in_space_are_relative_to_the_camera_in_mm():
    person = make_person([[100, 50, 0], [110, 50, 0], [100, 50, 500]])
    points = person.joints_in_space(Camera(focal=(500, 500), center=(100, 100)), 2000)
    np.testing.assert_allclose(points, [[0, -200, 2000], [40, -200, 2000], [0, -250, 2500]])


@pytest.mark.parametrize(
    ("camera", "root_depth", "message"),
    [
        (500, 2000, "a deephar.camera.Camera, got 500"),
        (None, 2000, "a deephar.camera.Camera, got None"),
        (CAMERA, 0, "one positive number, in mm, got 0"),
        (CAMERA, -1000, "positive"),
        (CAMERA, np.nan, "positive"),
        (CAMERA, None, "positive"),
        (CAMERA, [2000, 2000], "one positive number"),
        (CAMERA, 3.2, "root 3.2 mm in front .* would be 97 mm behind it; give .* in mm"),
    ],
)
def test_bad_cameras_and_depths_are_explained(camera, root_depth, message):
    person = make_person([[100, 50, 0], [110, 50, -100], [100, 50, 100]])
    with pytest.raises(ValueError, match=message):
        person.joints_in_space(camera, root_depth)


def test_flat_poses_are_not_in_space(blobs):
    person = blobs(POSES)(picture(120, 40))
    for ask in (lambda: person.joints_in_space(CAMERA, 2000), person.draw_views):
        with pytest.raises(ValueError, match=r"no depth \(dim=2\)"):
            ask()


def test_views_are_metric_where_the_camera_is_known(golden):
    person, root_depth, _ = person_of(golden, 0)
    camera = Camera(focal=(1145, 1143), center=(512, 515))
    drawn = person.draw_views(camera, root_depth, size=200)
    points = person.joints_in_space(camera, root_depth)
    np.testing.assert_array_equal(drawn, draw_views(points, "h36m17", size=200))
    for half in ({"camera": camera}, {"root_depth": root_depth}):
        with pytest.raises(ValueError, match="both the camera and the depth of the root"):
            person.draw_views(**half)


def test_views_without_a_camera_show_the_crop_as_deep_as_wide(golden):
    person, _, _ = person_of(golden, 0)
    drawn = person.draw_views(size=200, stacked=True)
    assert drawn.shape == (400, 200, 3)
    joints = person.joints * [10, 10, 1]  # the crop has 200 pixels, the depth 2000 mm
    expected = draw_views(joints, "h36m17", size=200, span=1800, stacked=True, metric=False)
    np.testing.assert_array_equal(drawn, expected)


def test_lists_give_lists(blobs, tmp_path):
    predictor = blobs(POSES)
    path = str(tmp_path / "p.png")
    cv2.imwrite(path, picture(20, 30))
    persons = predictor([path, picture(120, 40)])
    np.testing.assert_allclose(persons[0].joints, corners(20, 30), atol=1)
    np.testing.assert_allclose(persons[1].joints, corners(120, 40), atol=1)
    boxes = [(0, 10, 60, 70), None]
    assert predictor([path, path], boxes, margin=1)[0].box.tolist() == [0, 10, 60, 70]
    with pytest.raises(ValueError, match="one box a picture, got 1 for 2"):
        predictor([path, path], boxes[:1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_as_their_exif_data_say(blobs, tmp_path, orientation):
    stored = picture(120, 40)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    Image.fromarray(stored).save(path, quality=95, exif=exif)
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
    y, x = np.nonzero(upright[..., 0])
    person = blobs(POSES)(path)
    np.testing.assert_allclose(person.joints.min(axis=0), [x.min(), y.min()], atol=1)
    np.testing.assert_allclose(person.joints.max(axis=0), [x.max(), y.max()], atol=1)


def test_nobody_to_be_seen_is_a_person_in_the_whole_picture(blobs):
    person = blobs(POSES)(np.zeros((100, 100, 3), np.uint8))
    np.testing.assert_array_equal(person.visibility, 0)
    assert person.box[2] - person.box[0] == pytest.approx(125)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((300, 10, 340, 50), "wholly outside of the picture of 200 x 150"),
        ((10, 10, 10, 10), "empty"),
        ((50, 10, 10, 60), "x1 <= x2"),
        ((np.nan, 10, 10, 60), "x1, y1, x2, y2"),
        ((10, 60), "x1, y1, x2, y2"),
    ],
)
def test_bad_boxes_are_explained(blobs, box, message):
    with pytest.raises(ValueError, match=message):
        blobs(POSES)(picture(120, 40), box)


def test_bad_pictures_are_explained(blobs, tmp_path):
    predictor = blobs(POSES)
    with pytest.raises(FileNotFoundError, match=r"^gone\.jpg: no such picture$"):
        predictor("gone.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg: cannot be read as a picture") as error:
        predictor(tmp_path / "text.jpg")
    assert "README" not in str(error.value)
    with pytest.raises(ValueError, match="float64"):
        predictor(np.zeros((9, 9, 3)))


# --- videos ---


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 10])
@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_every_frame_gets_its_pose_and_time(blobs, config, count):
    predictor = blobs(config, actions={"dots": ACTIONS})
    results = list(predictor.stream(film(count), fps=10))
    assert [result.index for result in results] == list(range(count))
    np.testing.assert_allclose([result.time for result in results], np.arange(count) / 10)
    # A video shorter than a clip is played slower, and its last frame may not be seen.
    atol = 1 if count >= 4 or config is POSES else 2
    for number, result in enumerate(results):
        np.testing.assert_allclose(result.joints, corners(40 + number, 60), atol=atol)
        assert result.image is None
    if config is POSES:
        assert {result.action for result in results} == {None}
    else:
        assert [name for name, _ in results[0].action] == ["bowl", "squat", "walk"]
        assert sum(score for _, score in results[0].action) == pytest.approx(1)


@pytest.mark.parametrize("count", [3, 8, 11, 16])
def test_subsampled_clips_are_interleaved(blobs, count):
    predictor = blobs(CLIPS)
    results = list(predictor.stream(film(count), box=(30, 50, 90, 110), subsampling=2))
    atol = 1 if count >= 8 else 2
    for number, result in enumerate(results):
        np.testing.assert_allclose(result.joints, corners(40 + number, 60), atol=atol)
    clips = [shape for shape in predictor.model.shapes if len(shape) == 5]
    assert {shape[:2] for shape in clips} == {(2, 4) if count >= 8 else (1, 4)}


@pytest.mark.parametrize(
    ("trained", "count", "step"),
    [(3, 24, 3), ([1, 2, 4], 24, 2), ("whole", 24, 6), ("whole", 50, 8), ("whole", 2, 1)],
)
def test_clips_are_those_that_the_weights_were_trained_with(blobs, trained, count, step):
    predictor = blobs(CLIPS, subsampling=trained)
    assert len(list(predictor.stream(film(count), box=(30, 50, 90, 110)))) == count
    assert {shape[:2] for shape in predictor.model.shapes} == {(step, 4)}


def test_a_box_holds_for_all_frames(blobs):
    predictor = blobs(CLIPS)
    results = list(predictor.stream(np.stack(film(9)), box=(30, 50, 80, 100), margin=1))
    assert {tuple(result.box) for result in results} == {(30, 50, 80, 100)}
    assert {shape[:2] for shape in predictor.model.shapes} == {(1, 4)}


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_a_person_is_followed_from_piece_to_piece(blobs, config):
    predictor = blobs(config)
    length = config.num_frames or 16
    shapes = predictor._stills.shapes if config is POSES else predictor.model.shapes
    results = predictor.stream(film(2 * length))
    next(results)
    searched = len(shapes)
    assert len(list(results)) == 2 * length - 1
    assert searched > len(shapes) - searched == 2  # two frames ahead, then the piece itself


def test_a_person_who_is_lost_is_searched_for_again(blobs):
    predictor = blobs(POSES)
    frames = [picture(10, 10)] * 16 + [picture(170, 110)] * 16
    results = list(predictor.stream(frames))
    np.testing.assert_allclose(results[16].joints, corners(170, 110), atol=1)


def test_without_a_box_each_piece_gets_its_own(blobs):
    results = list(blobs(CLIPS).stream(film(8)))
    boxes = [tuple(result.box) for result in results]
    assert len(set(boxes[:4])) == len(set(boxes[4:])) == 1
    # The second encloses where the person was at the end of the first piece.
    assert boxes[4][0] - boxes[0][0] == pytest.approx(3, abs=1)


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_endless_videos_are_read_as_far_as_needed(blobs, config):
    asked = []

    def camera():
        while True:
            asked.append(1)
            yield picture(40, 60)

    stream = blobs(config).stream(camera(), keep_images=True)
    for _ in range(40):
        result = next(stream)
    assert len(asked) <= 40 + 16
    np.testing.assert_array_equal(result.image, picture(40, 60))


def test_video_files_are_read(blobs, tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 20) as writer:
        for frame in film(6):
            writer.write(frame)
    results = list(blobs(POSES).stream(tmp_path / "v.mp4"))
    np.testing.assert_allclose([result.time for result in results], np.arange(6) / 20)
    np.testing.assert_allclose(results[5].joints, corners(45, 60), atol=2)


def test_bad_videos_are_explained(blobs, tmp_path):
    predictor = blobs(CLIPS)
    with pytest.raises(FileNotFoundError, match="no such video"):
        predictor.stream("gone.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match="the file is empty"):
        predictor.stream(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match="the video: holds no frame"):
        list(predictor.stream([]))
    with pytest.raises(ValueError, match="path of a video or its frames"):
        list(predictor.stream(7))
    with pytest.raises(ValueError, match="float64"):
        list(predictor.stream(np.zeros((4, 9, 9, 3))))
    for subsampling in (0, 1.5, "half"):
        with pytest.raises(ValueError, match="subsampling must be 1, 2"):
            predictor.stream(film(4), subsampling=subsampling)


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_frames_of_differing_sizes_are_refused(blobs, config):
    frames = [*film(6), picture(40, 60, width=160, height=120)]
    message = "the video: frame 6 is 160 x 120 pixels, but the first one is 200 x 150"
    with pytest.raises(ValueError, match=message):
        list(blobs(config).stream(frames))


# --- annotating a video ---


@pytest.fixture
def short_film(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 20) as writer:
        for frame in film(10):
            writer.write(frame)
    return path


def test_an_annotated_video_and_its_numbers_are_written(blobs, short_film, tmp_path):
    predictor, calls = blobs(CLIPS, actions={"dots": ACTIONS}), []
    paths = annotate_video(
        predictor, short_film, tmp_path / "out" / "o.mp4", progress=lambda *n: calls.append(n)
    )
    assert paths[:2] == (tmp_path / "out" / "o.mp4", tmp_path / "out" / "o.json")
    info = video_info(paths[0])
    assert (info.frames, info.size, info.fps) == (10, (200, 150), 20)
    frames = [frame for frame, _ in read_video(paths[0])]
    assert len(frames) == 10
    original = next(read_video(short_film))[0]
    assert np.abs(frames[0].astype(int) - original).max() > 50  # something is drawn
    numbers = json.loads(paths[1].read_text())
    assert [row["frame"] for row in numbers["frames"]] == list(range(10))
    np.testing.assert_allclose(numbers["frames"][9]["joints"], corners(49, 60), atol=2)
    assert numbers["frames"][0]["action"][0][0] == "bowl"
    assert numbers["joints"] == list(predictor.skeleton.joints)
    assert [name for name, _ in numbers["action_of_the_video"]] == ACTIONS
    assert paths[2][0] == ("bowl", 0.5)
    assert calls == [(number, 10) for number in range(1, 11)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["o.json", "o.mp4"]


def test_without_actions_only_the_pose_is_drawn(blobs, short_film, tmp_path):
    _, numbers, actions = annotate_video(blobs(POSES), short_film, tmp_path / "o.mp4")
    assert actions is None
    numbers = json.loads(numbers.read_text())
    assert numbers["action_of_the_video"] is None
    assert numbers["frames"][3]["action"] is None


def test_lines_stay_as_wide_while_the_window_stays(short_film, tmp_path, monkeypatch):
    class Found:
        skeleton = get_skeleton("pa16j")

        def stream(self, video, *_, **__):
            box = np.array([0.0, 0, 150, 150])
            for number, (frame, time) in enumerate(read_video(video)):
                pose = np.linspace(20, 60 + 8 * number, 32).reshape(16, 2)  # growing
                yield Person(pose, np.ones(16), box, "pa16j", index=number, time=time, image=frame)

    widths = []
    draw = annotate.draw_action
    monkeypatch.setattr(annotate, "draw_action", lambda *a: widths.append(a[-1]) or draw(*a))
    annotate_video(Found(), short_film, tmp_path / "o.mp4")
    assert len(widths) == 10
    assert set(widths) == {2}  # of 150 pixels, 80 are the person, and a fortieth of these is 2


@pytest.mark.parametrize("height", [150, 151])
def test_beside_a_frame_are_two_views_if_there_is_depth(
    blobs, short_film, tmp_path, monkeypatch, height
):
    # OpenCV reads videos of odd height, but writes none.
    frames = [(frame, 0.05 * n) for n, frame in enumerate(film(3, height=height))]
    monkeypatch.setattr("deephar.inference.predictor.read_video", lambda path: iter(frames))
    config = ModelConfig(**SMALL, dim=3, depth="volumetric")
    out, numbers, _ = annotate_video(blobs(config), short_film, tmp_path / "o.mp4")
    assert video_info(out).size == (274 + height % 2 * 2, 150)
    assert video_info(out).frames == 3
    frame, _ = next(read_video(out))
    assert np.median(frame[:, 200:]) > 230  # paper
    assert np.median(frame[:, :200]) < 30
    joints = np.array(json.loads(numbers.read_text())["frames"][0]["joints"])
    assert joints.shape == (16, 3)
    np.testing.assert_allclose(joints[:, 2], 500)


def test_a_failure_leaves_no_half_files(blobs, short_film, tmp_path):
    predictor = blobs(CLIPS)
    network = predictor.model

    def failing(images):
        if len(network.shapes) > 2:
            raise ValueError("out of order")
        return network(images)

    predictor.model = failing
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="out of order"):
        annotate_video(predictor, short_film, out / "o.mp4")
    assert list(out.iterdir()) == []


def test_where_a_video_cannot_go_is_explained(blobs, short_film):
    before = short_film.read_bytes()
    with pytest.raises(ValueError, match="is the video to be read"):
        annotate_video(blobs(CLIPS), short_film, short_film)
    with pytest.raises(ValueError, match=r"ends in \.mp4"):
        annotate_video(blobs(CLIPS), short_film, short_film.with_suffix(".avi"))
    assert short_film.read_bytes() == before


# --- weights ---


def test_names_of_the_actions_travel_with_the_weights(blobs):
    assert blobs(CLIPS, actions={"dots": ACTIONS}).actions == tuple(ACTIONS)
    assert blobs(CLIPS).actions == ("action 0", "action 1", "action 2")
    assert blobs(POSES).actions == ()
    with pytest.raises(ValueError, match="names 2 actions for the 3 classes of its head 'dots'"):
        blobs(CLIPS, actions={"dots": ACTIONS[:2]})


def test_of_several_heads_one_has_to_be_named(blobs):
    config = ModelConfig(**SMALL, num_frames=4, actions={"penn": 15, "dots": 3})
    message = r"several heads for actions \(penn, dots\); say which, with --head NAME"
    with pytest.raises(ValueError, match=message):
        blobs(config)
    assert len(blobs(config, "dots").actions) == 3
    with pytest.raises(ValueError, match=r"no head 'x' for actions \(known: penn, dots\)"):
        blobs(config, "x")


def test_weights_that_take_poses_are_refused(blobs):
    config = ModelConfig(stem="none", streams=("pose",), num_frames=4, actions={"dots": 3})
    with pytest.raises(ValueError, match="cannot see images"):
        blobs(config)


def test_default_weights_are_those_that_the_index_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"no default weights \(entries: none yet\)"
    ) as error:
        Predictor()
    assert "--weights runs/mpii/best.h5" in str(error.value)
    assert "copy weights/index.json of the project" in str(error.value)
    keras.utils.set_random_seed(0)
    weights.save(build_model(POSES), POSES, tmp_path / "a.h5", data="none", score=0)
    weights.register("small", tmp_path / "a.h5", licence="MIT")
    with pytest.raises(FileNotFoundError, match=r"no default weights \(entries: small\)"):
        Predictor()
    for name in ("first", "second"):
        weights.register(name, tmp_path / "a.h5", licence="MIT", default=True)
    weights.register("second", tmp_path / "a.h5", licence="none")  # as before
    assert [name for name, entry in weights.index().items() if "default" in entry] == ["second"]
    person = Predictor()(picture(120, 40))
    assert np.isfinite(person.joints).all()


def test_a_real_network_of_clips_takes_pictures_and_videos(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(CLIPS)
    weights.save(model, CLIPS, tmp_path / "w.h5", actions={"dots": ACTIONS})
    predictor = Predictor(tmp_path / "w.h5")
    assert repr(predictor) == "Predictor(pa16j, 3 actions of 'dots')"
    box = (100, 20, 160, 80)
    results = list(predictor.stream(film(5), box))
    person = predictor(film(5)[4], box)
    np.testing.assert_allclose(person.joints, results[4].joints, atol=1e-3)
    assert sum(score for _, score in results[0].action) == pytest.approx(1)
    assert sorted(name for name, _ in results[0].action) == ACTIONS


def test_the_predictor_is_exported_but_imported_late():
    assert deephar.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = deephar.Nothing
    code = "import deephar, sys; assert not {'keras', 'cv2', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_picture_is_not_taken_for_a_video_nor_a_number_for_a_picture(blobs):
    predictor = blobs()
    with pytest.raises(ValueError, match="call the predictor itself"):
        next(predictor.stream(film(1)[0]))
    with pytest.raises(ValueError, match="fps must be positive"):
        next(predictor.stream(film(2), fps=0))
    for nonsense in (None, 0):
        with pytest.raises(ValueError, match="expected a picture"):
            predictor(nonsense)
