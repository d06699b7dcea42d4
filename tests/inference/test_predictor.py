"""The predictor, with a network that finds a bright blob, and with a small real one."""

import subprocess
import sys
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
from blobs import (
    ACTIONS,
    CLIPS,
    SIZE,
    blob_network,
    blob_poses,
    corners,
    film,
    picture,
)
from networks import POSES, SMALL, save_untrained
from PIL import Image

import deephar
from deephar import Predictor, weights
from deephar.inference.search import FoundPerson
from deephar.inference.windows import BATCH_SIZE, WindowRule
from deephar.models import ModelConfig, build_model
from deephar.video import VideoWriter, read_video


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_a_person_is_found_in_a_picture(blobs, config):
    person = blobs(config)(picture(120, 40))
    np.testing.assert_allclose(person.joints, corners(120, 40), atol=1)
    np.testing.assert_array_equal(person.visibility, 1)
    # The box is 1.2 times as high as what the joints take up, the crop 1.25 times as the box.
    assert person.box[3] - person.box[1] == pytest.approx(1.2 * 30, rel=0.15)
    assert person.crop[2] - person.crop[0] == pytest.approx(1.5 * 30, rel=0.15)
    assert person.depth is None
    np.testing.assert_allclose((person.box[:2] + person.box[2:]) / 2, [129.5, 54.5], atol=2)
    assert person.skeleton == "pa16j"
    assert person.action is None
    assert person.time is None


def test_a_box_is_enlarged_by_the_margin_to_a_square(blobs):
    predictor = blobs(POSES)
    box = (110, 40, 150, 60)
    person = predictor(picture(120, 40), box)
    np.testing.assert_array_equal(person.box, box)
    np.testing.assert_allclose(person.crop, [105, 25, 155, 75])
    np.testing.assert_allclose(predictor(picture(120, 40), box, margin=1).crop, [110, 30, 150, 70])
    again = predictor(picture(120, 40), (110, 30, 150, 70), margin=1)
    np.testing.assert_allclose(again.joints[:, 0], corners(120, 40)[:, 0], atol=0.7)


def test_depth_is_in_mm_relative_to_the_root(blobs):
    config = ModelConfig(**SMALL, dim=3, depth="volumetric")
    person = blobs(config)(picture(120, 40))
    np.testing.assert_allclose(person.depth, [500] * 16)
    np.testing.assert_allclose(person.joints, corners(120, 40), atol=1)


def assert_same_view(person, other):
    """Asserts that two persons are exactly the same crop and pose."""
    for name in ("box", "crop", "joints", "visibility"):
        np.testing.assert_array_equal(getattr(person, name), getattr(other, name))


@pytest.mark.parametrize("margin", [1, 1.25, 1.7])
@pytest.mark.parametrize("box", [None, (110, 40, 150, 60), (100.1, 35.7, 140.3, 81.9)])
@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_the_box_of_a_person_makes_the_same_crop_again(blobs, config, box, margin):
    predictor, image = blobs(config), picture(120, 40)
    person = predictor(image, box, margin=margin)
    assert_same_view(predictor(image, box=person.box, margin=margin), person)


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_the_box_of_a_person_in_a_video_makes_the_same_crop_again(blobs, config):
    predictor = blobs(config)
    for margin in (1, 1.25, 1.7):
        for person in predictor.stream(film(20), margin=margin, keep_images=True):
            assert_same_view(predictor(person.image, person.box, margin=margin), person)
    (*_, person) = predictor.stream(film(4))
    (*_, again) = predictor.stream(film(4), person.box)
    assert_same_view(again, person)


def test_the_box_of_a_person_is_a_copy(blobs):
    box = np.array([110.0, 40, 150, 60])
    person = blobs(POSES)(picture(120, 40), box)
    box[:] = 0
    assert person.box.tolist() == [110, 40, 150, 60]


def test_lists_give_lists(blobs, tmp_path):
    predictor = blobs(POSES)
    path = str(tmp_path / "p.png")
    cv2.imwrite(path, picture(20, 30))
    persons = predictor([path, picture(120, 40)])
    np.testing.assert_allclose(persons[0].joints, corners(20, 30), atol=1)
    np.testing.assert_allclose(persons[1].joints, corners(120, 40), atol=1)
    boxes = [(0, 10, 60, 70), None]
    assert predictor([path, path], boxes, margin=1)[0].crop.tolist() == [0, 10, 60, 70]
    with pytest.raises(ValueError, match="one box per picture, got 1 for 2"):
        predictor([path, path], boxes[:1])


def test_joints_are_in_pixels_of_the_upright_photo(blobs, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    Image.fromarray(picture(120, 40)).save(tmp_path / "photo.jpg", quality=95, exif=exif)
    y, x = np.nonzero(np.rot90(picture(120, 40), -1)[..., 0])
    person = blobs(POSES)(tmp_path / "photo.jpg")
    np.testing.assert_allclose(person.joints.min(axis=0), [x.min(), y.min()], atol=1)
    np.testing.assert_allclose(person.joints.max(axis=0), [x.max(), y.max()], atol=1)


def test_nobody_to_be_seen_is_a_person_in_the_whole_picture(blobs):
    person = blobs(POSES)(np.zeros((100, 100, 3), np.uint8))
    np.testing.assert_array_equal(person.visibility, 0)
    np.testing.assert_allclose(person.box, [0, 0, 100, 100])


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
    with pytest.raises(FileNotFoundError, match=r"^gone\.jpg does not exist\. Give the path of"):
        predictor("gone.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg cannot be read as a picture") as error:
        predictor(tmp_path / "text.jpg")
    assert "README" not in str(error.value)
    with pytest.raises(ValueError, match="float64"):
        predictor(np.zeros((9, 9, 3)))


@pytest.mark.filterwarnings("ignore:.* has a single frame")
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 10])
@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_every_frame_gets_its_pose_and_time(blobs, config, count):
    predictor = blobs(config, actions=ACTIONS if config is CLIPS else None)
    results = list(predictor.stream(film(count), fps=10))
    assert [result.index for result in results] == list(range(count))
    np.testing.assert_allclose([result.time for result in results], np.arange(count) / 10)
    for number, result in enumerate(results):
        np.testing.assert_allclose(result.joints, corners(40 + number, 60), atol=1)
        assert result.image is None
    if config is POSES:
        assert {result.action for result in results} == {None}
    else:
        assert [name for name, _ in results[0].action] == ["bowl", "squat", "walk"]
        assert sum(score for _, score in results[0].action) == pytest.approx(1)


def steps_of_clips(predictor, frames, **options):
    """By how many frames of the video the frames of its clips are apart, in the second clip."""
    network, clips = predictor.model, []

    def recording(images):
        if images.ndim == 5 and images.shape[:2] == (BATCH_SIZE, 4):
            clips.append(images)
        return network(images)

    predictor = Predictor.from_model(recording, predictor.config, **options)
    list(predictor.stream(frames, box=(30, 50, 30 + SIZE, 50 + SIZE), margin=1))
    return np.rint(SIZE * np.diff(blob_poses(clips[0][1], 2)[:, 0, 0, 0])).tolist()


@pytest.mark.parametrize(
    ("trained", "count", "step"),
    [(1, 24, 1), (3, 24, 3), ("whole", 24, 6), ("whole", 50, 8), ("whole", 2, 1)],
)
def test_clips_are_those_that_the_weights_were_trained_with(blobs, trained, count, step):
    steps = steps_of_clips(blobs(CLIPS), film(count), subsampling=trained)
    # A clip of 4 frames that is longer than the video has its first and its last frame twice.
    assert steps == ([step] * 3 if count > 2 else [0, step, 0])


def test_clips_can_have_a_frame_rate(blobs):
    assert steps_of_clips(blobs(CLIPS), film(24), frame_rate=10) == [3, 3, 3]
    for rate in (0, -1, np.nan, "fast", True):
        with pytest.raises(ValueError, match="frame_rate must be above 0 frames per second"):
            blobs(CLIPS, frame_rate=rate)
    with pytest.raises(ValueError, match=r"a frame rate \(10 .*\) or a subsampling \(2\)"):
        blobs(CLIPS, frame_rate=10, subsampling=2)


def test_a_box_holds_for_all_frames(blobs):
    predictor = blobs(CLIPS)
    results = list(predictor.stream(np.stack(film(9)), box=(30, 50, 80, 100), margin=1))
    assert {tuple(result.crop) for result in results} == {(30, 50, 80, 100)}
    assert {shape[:2] for shape in predictor.model.shapes} == {(1, 4), (BATCH_SIZE, 4)}


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_a_person_is_followed_from_piece_to_piece(blobs, config):
    length = config.num_frames or 16

    def calls(count):
        """Calls of the network, without those of the action heads."""
        predictor = blobs(config)
        list(predictor.stream(film(count)))
        return sum(shape[0] != BATCH_SIZE or len(shape) == 4 for shape in predictor.model.shapes)

    searched = calls(length)
    assert searched > calls(2 * length) - searched == 2  # two frames ahead, then the piece itself


def test_a_person_who_is_lost_is_searched_for_again(blobs):
    predictor = blobs(POSES)
    frames = [picture(10, 10)] * 16 + [picture(170, 110)] * 16
    results = list(predictor.stream(frames))
    np.testing.assert_allclose(results[16].joints, corners(170, 110), atol=1)


def test_without_a_box_each_piece_gets_its_own(blobs):
    results = list(blobs(CLIPS).stream(film(8)))
    boxes = [tuple(result.crop) for result in results]
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
    with pytest.raises(FileNotFoundError, match="does not exist"):
        predictor.stream("gone.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match="is an empty file"):
        predictor.stream(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match="The video holds no frame"):
        list(predictor.stream([]))
    with pytest.raises(ValueError, match="path of a file or its frames"):
        list(predictor.stream(7))
    with pytest.raises(ValueError, match="float64"):
        list(predictor.stream(np.zeros((4, 9, 9, 3))))
    for subsampling in (0, 1.5, "half"):
        with pytest.raises(ValueError, match="subsampling must be 1, 2"):
            predictor.stream(film(4), subsampling=subsampling)


@pytest.mark.parametrize("config", [POSES, CLIPS])
def test_frames_of_differing_sizes_are_refused(blobs, config):
    frames = [*film(6), picture(40, 60, width=160, height=120)]
    message = "The video has .*: frame 6 has 160 x 120 pixels, and the first one 200 x 150"
    with pytest.raises(ValueError, match=message):
        list(blobs(config).stream(frames))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Builder of predictors from a file of weights without a network: ``load(config, **facts)``."""

    def build(config, head=None, **facts):
        path = tmp_path / "blob.h5"
        weights.save(keras.Sequential(), config, path, **facts)
        monkeypatch.setattr(weights, "load_model", lambda name: (blob_network(config), config))
        return Predictor(path, head)

    return build


TWO_HEADS = ModelConfig(**SMALL, num_frames=4, actions={"penn": 15, "dots": 3})
ONLY_ACTIONS = ModelConfig(stem="none", streams=("pose",), num_frames=4, actions={"dots": 3})


def test_names_of_the_actions_travel_with_the_weights(load):
    assert load(CLIPS, actions={"dots": ACTIONS}).actions == tuple(ACTIONS)
    assert load(CLIPS).actions == ("action 0", "action 1", "action 2")
    assert load(POSES).actions == ()
    message = r"blob\.h5 comes with names for 2 actions, but its head 'dots' has 3 classes"
    with pytest.raises(ValueError, match=message):
        load(CLIPS, actions={"dots": ACTIONS[:2]})


@pytest.mark.parametrize(
    ("facts", "rule"),
    [({"subsampling": 3}, (3, False)), ({"frame_rate": 8}, (0.125, True)), ({}, (1, False))],
)
def test_the_time_base_travels_with_the_weights(load, facts, rule, monkeypatch):
    rules = []

    def recording(frames, parts, head, names, rule):
        rules.append(rule)
        return iter(())

    monkeypatch.setattr("deephar.inference.predictor.with_actions", recording)
    load(CLIPS, **facts).stream(film(24))
    assert rules == [WindowRule(4, *rule)]


def test_of_several_heads_one_has_to_be_named(load, blobs):
    message = r"several heads for actions \(penn, dots\)\. Choose one with --head NAME"
    for build, source in ((load, r"blob\.h5"), (blobs, "The network")):
        with pytest.raises(ValueError, match=f"{source} has {message}"):
            build(TWO_HEADS)
        assert len(build(TWO_HEADS, head="dots").actions) == 3
        with pytest.raises(ValueError, match=r"no head 'x' for actions \(known: penn, dots\)"):
            build(TWO_HEADS, head="x")


def test_networks_that_take_poses_are_refused(load, blobs):
    with pytest.raises(ValueError, match=r"blob\.h5 takes labelled poses and cannot see images"):
        load(ONLY_ACTIONS)
    with pytest.raises(ValueError, match="The network takes labelled poses and cannot see images"):
        blobs(ONLY_ACTIONS)


def test_default_weights_are_those_that_the_index_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"no default weights \(known names: none\)"
    ) as error:
        Predictor()
    assert "--weights runs/mpii/best.h5" in str(error.value)
    assert "index.json does not exist, so no names are known" in str(error.value)
    keras.utils.set_random_seed(0)
    weights.save(build_model(POSES), POSES, tmp_path / "a.h5", data="none", score=0)
    weights.register("small", tmp_path / "a.h5", licence="MIT")
    with pytest.raises(FileNotFoundError, match=r"no default weights \(known names: small\)"):
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
    assert repr(predictor) == "Predictor(pa16j, 3 actions of 'dots', Keras)"
    box = (100, 20, 160, 80)
    results = list(predictor.stream(film(5), box))
    person = predictor(film(5)[4], box)
    np.testing.assert_allclose(person.joints, results[4].joints, atol=1e-3)
    assert sum(score for _, score in results[0].action) == pytest.approx(1)
    assert sorted(name for name, _ in results[0].action) == ACTIONS


# --- a network in memory ---


@pytest.fixture(scope="module")
def clip_model():
    keras.utils.set_random_seed(0)
    return build_model(CLIPS)


def test_a_network_in_memory_is_that_of_its_weights_file(clip_model, tmp_path):
    weights.save(clip_model, CLIPS, tmp_path / "w.h5", actions={"dots": ACTIONS}, subsampling=2)
    loaded = Predictor(tmp_path / "w.h5")
    predictor = Predictor.from_model(clip_model, CLIPS, actions=ACTIONS, subsampling=2)
    assert predictor.model is clip_model
    assert repr(predictor) == repr(loaded)
    box = (100, 20, 160, 80)
    for one, other in zip(predictor.stream(film(9), box), loaded.stream(film(9), box), strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        assert one.action == other.action


def test_names_of_actions_can_be_those_of_several_heads(blobs):
    names = {"penn": [str(number) for number in range(15)], "dots": ACTIONS}
    assert blobs(TWO_HEADS, head="dots", actions=names).actions == tuple(ACTIONS)
    assert blobs(CLIPS, actions={"penn": names["penn"]}).actions[0] == "action 0"
    with pytest.raises(ValueError, match="names for 2 actions, but its head 'dots' has 3"):
        blobs(CLIPS, actions=ACTIONS[:2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skeleton": "pa17j"}, r"'pose' has the shape .*16, 3\), not \(\.\.\., 17, 3\)"),
        ({"dim": 3, "depth": "volumetric"}, r"'pose' has the shape .*16, 3\), not .* 16, 4\)"),
        ({"image_size": 128}, "takes images of 64 x 64 pixels, not 128 x 128"),
        ({"actions": {"penn": 3}}, "gives no 'action_penn' .*action_dots"),
        ({"actions": {"dots": 4}}, r"'action_dots' has the shape .*3\), not \(\.\.\., 4\)"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(clip_model, changes, message):
    with pytest.raises(ValueError, match=f"^The model does not fit the config: .*{message}"):
        Predictor.from_model(clip_model, replace(CLIPS, **changes))


@pytest.mark.parametrize("config", [None, "vgg16-light", CLIPS.to_json()])
def test_what_is_no_config_is_refused(clip_model, config):
    with pytest.raises(ValueError, match="must be a ModelConfig or ReceptionConfig, got"):
        Predictor.from_model(clip_model, config)


def test_clips_of_another_length_are_refused(clip_model):
    clip = keras.Input((8, SIZE, SIZE, 3))
    fixed = keras.Model(clip, clip_model(clip))
    with pytest.raises(ValueError, match="takes clips of 8 frames, not 4"):
        Predictor.from_model(fixed, CLIPS)
    predictor = Predictor.from_model(fixed, replace(CLIPS, num_frames=8))
    assert len(list(predictor.stream(film(9)))) == 9


def test_a_default_subsampling_is_checked(blobs):
    with pytest.raises(ValueError, match="subsampling must be 1, 2"):
        blobs(CLIPS, subsampling=0)


def test_a_network_of_stills_cannot_have_a_head():
    keras.utils.set_random_seed(0)
    model = build_model(POSES)
    with pytest.raises(ValueError, match=r"takes single images .*, and actions need clips"):
        Predictor.from_model(model, CLIPS)
    person = Predictor.from_model(model, POSES)(picture(120, 40), (100, 20, 160, 80))
    assert person.joints.shape == (16, 2)


def test_a_small_listed_network_searches_for_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPHAR_WEIGHTS", str(tmp_path))
    searched = []
    monkeypatch.setattr(
        "deephar.inference.predictor.find_person",
        lambda network, config, images, **_: (
            searched.append(config.image_size) or full_person(images)
        ),
    )
    for name, size in (("vgg16-light", 64), ("large", 128)):
        config = replace(POSES, image_size=size)
        path = save_untrained(tmp_path / f"{name}.h5", config, data="none", score=0)
        weights.register(name, path, licence="MIT")
    for name in ("vgg16-light", "large", tmp_path / "large.h5"):
        Predictor(name)(picture(40, 60))
    assert searched == [64, 64, 128]


def full_person(images):
    box = np.array([0, 0, *images[0].shape[1::-1]], float)
    return FoundPerson(box, 1.0, box)


@pytest.mark.parametrize("model", [None, "vgg16-light"])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(ValueError, match=r"must be a keras\.Model or a function, got"):
        Predictor.from_model(model, POSES)


def test_the_predictor_is_exported_but_imported_late():
    assert deephar.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = deephar.Nothing
    code = "import deephar, sys; assert not {'keras', 'cv2', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_person_who_leaves_is_not_seen_any_more(real_data):
    path = real_data / "faults" / "person_then_nobody.mp4"
    if not path.is_file():
        pytest.skip("the video of a person who leaves is not at hand (data/faults)")
    frames = [frame for frame, _ in read_video(path)]
    assert len(frames) == 84  # 48 of a person, then 36 of a wall
    persons = Predictor("vgg16-light").stream(frames[::8])
    assert [person.seen for person in persons] == [True] * 6 + [False] * 5
