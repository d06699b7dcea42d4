"""The sliding window over the frames of a video, with heads that tell what they are given."""

import gc
import json
import weakref

import keras
import numpy as np
import pytest
from blobs import CLIPS, film
from networks import HEADS, SMALL

from deephar import Predictor
from deephar.inference import Person, predictor
from deephar.inference.network import Parts
from deephar.inference.windows import BATCH_SIZE, SEEN, SeenFrame, WindowRule, with_actions
from deephar.models import ModelConfig, ReceptionConfig, action_view, build_model, frame_view

NAMES = ("other", "wave")


def seen_frame(index, time, visibility=1.0, pose=None):
    """A frame as the network has seen it; its number is one of the inputs of the heads."""
    if pose is None:
        pose = np.random.default_rng(index).uniform(100, 200, (2, 16, 2))
    pose = np.concatenate([pose, np.full((2, 16, 1), visibility)], axis=-1)
    person = Person(
        joints=pose[-1, :, :2],
        visibility=pose[-1, :, 2],
        box=np.zeros(4),
        crop=np.zeros(4),
        skeleton="pa16j",
        index=index,
        time=time,
    )
    return SeenFrame(person, {"pose": pose.astype(np.float32), "number": np.array([index])})


class Heads:
    """Action heads that keep the windows that they are given; `wave` has a score of 0.75."""

    def __init__(self):
        self.windows, self.poses, self.sizes = [], [], []

    def __call__(self, inputs):
        self.sizes.append(len(inputs["number"]))
        self.windows += inputs["number"][:, :, 0].astype(int).tolist()
        self.poses += list(inputs["pose"])
        return {"action_a": np.tile([0.25, 0.75], (len(inputs["number"]), 1, 1))}

    def over(self, frames, rule, names=NAMES):
        parts = Parts(None, self, ("pose", "number"))
        return with_actions(frames, parts, "a", names, rule)


def windows_of(times, rule):
    """The windows of a video with frames at `times`; and its persons."""
    heads = Heads()
    frames = [seen_frame(index, time) for index, time in enumerate(times)]
    persons = list(heads.over(frames, rule))
    assert [person.index for person in persons] == list(range(len(times)))
    assert set(heads.sizes) == {BATCH_SIZE}
    return heads.windows


def test_each_frame_has_the_window_around_it():
    windows = windows_of(np.arange(7), WindowRule(5, 1, by_time=False))
    starts = [0, 0, 0, 1, 2, 2, 2]
    assert windows[:7] == [list(range(start, start + 5)) for start in starts]
    windows = windows_of(np.arange(7), WindowRule(3, 2, by_time=False))
    assert windows[:4] == [[0, 2, 4], [0, 2, 4], [2, 4, 6], [2, 4, 6]]


def test_windows_have_a_fixed_frame_rate_at_any_rate_of_the_video():
    for rate in (10, 30, 100):
        windows = windows_of(np.arange(4 * rate) / rate, WindowRule(5, 0.2, by_time=True))
        assert windows[10] == [round(place * rate) for place in (1.6, 1.8, 2.0, 2.2, 2.4)]


def test_windows_follow_the_time_stamps_of_a_variable_frame_rate():
    times = np.concatenate([np.arange(24) / 30, 0.8 + np.arange(24) / 10])
    windows = windows_of(times, WindowRule(5, 0.1, by_time=True))
    assert windows[3] == [3, 6, 9, 12, 15]
    assert windows[8] == [18, 21, 24, 25, 26]
    assert windows[20] == [34, 35, 36, 37, 38]


def test_poses_are_interpolated_between_frames():
    places = [0.0, 0.3, 0.4, 1.0]
    frames = [
        seen_frame(index, time, pose=np.full((2, 16, 2), 100 + 100 * time))
        for index, time in enumerate(places)
    ]
    frames[1].outputs["pose"][..., :2] = 9000  # somebody else, who does not count
    frames[1].outputs["pose"][..., 2] = 0
    for index in (0, 3):  # an extent that stays
        frames[index].outputs["pose"][:, 0, :2] = [0, 300]
    heads = Heads()
    list(heads.over(frames, WindowRule(5, 0.25, by_time=True)))
    x = heads.poses[0][:, -1, 5, 0]
    assert heads.poses[0][1, -1, 5, 2] == 0  # as in the nearest frame, without the person
    np.testing.assert_allclose((x[3] - x[2]) / (x[4] - x[2]), 0.25 / 0.5, atol=1e-5)


def test_a_video_shorter_than_a_window_is_in_its_middle():
    windows = windows_of([0, 0.1, 0.2], WindowRule(7, 0.1, by_time=True))
    assert windows[0] == windows[1] == windows[2] == [0, 0, 0, 1, 2, 2, 2]


def test_nothing_is_seen_before_and_after_a_short_video():
    heads = Heads()
    frames = [seen_frame(index, index / 10) for index in range(5)]
    list(heads.over(frames, WindowRule(9, 0.1, by_time=True)))
    visible = heads.poses[0][:, -1, :, 2].max(axis=1)
    assert visible.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    heads = Heads()
    list(heads.over(frames, WindowRule(9, 1, by_time=False)))
    assert (heads.poses[0][..., 2] == 1).all()  # by number, the ends are held


def test_frames_between_two_windows_have_the_action_of_the_nearest():
    class Counting(Heads):
        def __call__(self, inputs):
            super().__call__(inputs)
            level = inputs["number"][:, 0, 0] / 100
            return {"action_a": np.stack([1 - level, level], axis=-1)[:, None]}

    frames = [seen_frame(index, index / 30) for index in range(30)]
    # There are windows of 4 frames at 0, 5, 10, ..., which begin 7.5 frames before.
    persons = list(Counting().over(frames, WindowRule(4, 1 / 6, by_time=True)))
    waves = [round(100 * dict(person.action)["wave"]) for person in persons]
    assert waves[:8] == [0] * 8
    # 0.02 and 0.07, or 0.03 and 0.08, where the rest, which is other, counts half.
    assert waves[8:13] in ([4] * 5, [6] * 5)
    assert waves[13:18] in ([13] * 5, [15] * 5)
    assert all(sum(dict(person.action).values()) == pytest.approx(1) for person in persons)


def test_a_gap_in_the_time_stamps_makes_no_windows():
    times = np.concatenate([np.arange(10) / 10, 1e6 + np.arange(10) / 10])
    windows = windows_of(times, WindowRule(4, 0.1, by_time=True))
    assert len(windows) <= 3 * BATCH_SIZE


def test_poses_are_seen_in_the_square_around_those_of_the_window():
    pose = np.full((2, 16, 2), 150.0)
    frames = []
    for index in range(4):
        moved = pose.copy()
        moved[1, 0] = 110 + 10 * index, 120  # the last block's joints: x to 150, y 120 to 150
        frames.append(seen_frame(index, index, pose=moved))
    heads = Heads()
    list(heads.over(frames, WindowRule(4, 1, by_time=False)))
    # The joints take 40 x 30 pixels around (130, 135); the square has 1.5 times the longer side.
    expected = (np.array([110, 120]) - [130, 135]) / 60 + 0.5
    np.testing.assert_allclose(heads.poses[0][0, 1, 0, :2], expected, atol=1e-6)
    np.testing.assert_allclose(heads.poses[0][3, 1, 0, 0], expected[0] + 0.5, atol=1e-6)
    np.testing.assert_allclose(heads.poses[0][:, 0, :, 0], (150 - 130) / 60 + 0.5, atol=1e-6)
    # The frames keep their poses in pixels.
    assert frames[0].outputs["pose"][1, 0, 0] == 110


def test_a_frame_without_the_person_has_no_visible_joints():
    frames = [seen_frame(index, index) for index in range(3)]
    far = np.full((2, 16, 2), 9000.0)
    frames.append(seen_frame(3, 3, SEEN - 0.01, far))
    heads = Heads()
    persons = list(heads.over(frames, WindowRule(4, 1, by_time=False)))
    np.testing.assert_array_equal(heads.poses[0][3, ..., 2], 0)
    np.testing.assert_array_equal(heads.poses[0][:3, ..., 2], 1)
    assert np.abs(heads.poses[0][:3, 1, :, :2] - 0.5).max() <= 0.34  # the far pose does not count
    # The network's 0.25 for other counts half.
    assert persons[3].action == [("wave", pytest.approx(6 / 7)), ("other", pytest.approx(1 / 7))]
    np.testing.assert_allclose(persons[3].visibility, SEEN - 0.01)  # the answer stays as it was


@pytest.mark.parametrize("seen", [(), (2,)])
def test_a_window_without_the_person_is_other(seen):
    frames = [seen_frame(index, index, 1.0 if index in seen else 0.1) for index in range(4)]
    rule = WindowRule(4, 1, by_time=False)
    for person in Heads().over(frames, rule):
        assert person.action == [("other", 1), ("wave", 0)]
    for person in Heads().over(frames, rule, names=("sit", "wave")):
        assert person.action == [("wave", 0.75), ("sit", 0.25)]


def test_persons_come_before_the_video_ends_and_memory_stays_flat():
    alive, asked = [], 0

    def frames():
        nonlocal asked
        while True:
            frame = seen_frame(asked, asked / 30)
            alive.append(weakref.ref(frame.outputs["number"]))
            asked += 1
            yield frame

    held, rule = [], WindowRule(16, 1 / 8, by_time=True)
    stream = Heads().over(frames(), rule)
    for number, _ in zip(range(1500), stream, strict=False):
        # Half a window, and the frames of a batch of windows.
        assert asked - number <= 30 * (1 + (BATCH_SIZE + 1) / 8) + 30
        if number % 250 == 249:
            gc.collect()
            held.append(sum(reference() is not None for reference in alive))
    assert max(held) <= 30 * (2 + (BATCH_SIZE + 1) / 8) + 30
    assert max(held[3:]) <= max(held[:3]) + 30


# --- with networks

APPEARANCE = ModelConfig(**SMALL, **HEADS, actions={"dots": 3}, streams=("appearance",))
POSE = ModelConfig(**SMALL, **HEADS, actions={"dots": 3}, streams=("pose",))
REPLICA = ModelConfig(**SMALL, **HEADS, actions={"dots": 3}, pose_replica=True)
RECEPTION = ReceptionConfig(
    stem="vgg16", image_size=64, stem_features=16, num_blocks=2, num_frames=4, actions={"dots": 3}
)
BOX = (30, 40, 110, 120)


def network(config):
    keras.utils.set_random_seed(0)
    return build_model(config)


def scores_of(person):
    """The scores of the actions in their order."""
    scores = dict(person.action)
    return [scores[f"action {number}"] for number in range(3)]


@pytest.fixture
def seen_crops(monkeypatch):
    """The crops and the outputs of all calls of the frame part by the predictor."""
    calls = []
    call = predictor.call_network

    def recording(model, crops):
        outputs = call(model, crops)
        calls.append((crops, outputs))
        return outputs

    monkeypatch.setattr("deephar.inference.predictor.call_network", recording)
    return calls


def test_each_pose_is_computed_once(seen_crops):
    persons = list(Predictor.from_model(network(POSE), POSE).stream(film(11), BOX))
    crops = np.concatenate([crops for crops, _ in seen_crops])
    assert len(persons) == 11
    assert (crops != 0).any(axis=(1, 2, 3)).sum() == 11


def test_the_heads_see_the_appearance_in_the_frames(seen_crops):
    model = network(APPEARANCE)
    persons = list(Predictor.from_model(model, APPEARANCE).stream(film(12), BOX))
    crops = np.concatenate([crops for crops, _ in seen_crops])
    for number, person in enumerate(persons):
        start = min(max(number - 2, 0), 8)
        answer = np.asarray(model.predict_on_batch(crops[None, start : start + 4])["action_dots"])
        np.testing.assert_allclose(scores_of(person), answer[0, -1], atol=1e-5)


def test_a_reception_net_tells_the_actions_of_a_video(seen_crops):
    persons = list(Predictor.from_model(network(RECEPTION), RECEPTION).stream(film(9), BOX))
    assert [len(person.action) for person in persons] == [3] * 9
    assert len(seen_crops) == 3  # pieces


@pytest.mark.parametrize("config", [POSE, REPLICA])
def test_the_heads_see_the_poses_of_the_frames(config, seen_crops):
    model = network(config)
    persons = list(Predictor.from_model(model, config).stream(film(4), BOX))
    crops, _ = seen_crops[0]
    expected = frame_view(model).predict_on_batch(crops)
    name = "action_pose" if config is REPLICA else "pose"
    inputs = {t.name: np.asarray(expected[t.name])[None].copy() for t in action_view(model).inputs}
    last = np.asarray(expected["pose"])[:, -1]
    visible = last[last[..., 2] > 0.5][:, :2]
    low, high = visible.min(axis=0), visible.max(axis=0)
    side = 1.5 * max((high - low).max(), 0.01)  # at least a pixel; the crop has 100
    inputs[name][..., :2] = (inputs[name][..., :2] - (low + high) / 2) / side + 0.5
    answer = np.asarray(action_view(model).predict_on_batch(inputs)["action_dots"])[0, -1]
    for person in persons:
        np.testing.assert_allclose(scores_of(person), answer, atol=1e-4)


def test_a_network_without_parts_sees_the_clips(blobs):
    actions = [person.action for person in blobs(CLIPS).stream(film(6), BOX)]
    assert all(len(action) == 3 for action in actions)


# --- whole videos


def test_a_video_of_one_frame_has_no_known_action(blobs):
    names = ["other", "squat", "walk"]
    with pytest.warns(UserWarning, match="The video has a single frame, and an action takes"):
        (person,) = blobs(CLIPS, actions=names).stream(film(1))
    assert person.action[0] == ("other", 1)
    with pytest.warns(UserWarning, match="single frame"):
        assert blobs(CLIPS, actions=names).classify(film(1))[0] == ("other", 1)


def test_a_person_who_is_never_found_has_no_known_action(blobs):
    black = np.zeros((9, 60, 80, 3), np.uint8)
    actions = blobs(CLIPS, actions=["squat", "other", "walk"]).classify(black)
    assert actions == [("other", 1), ("squat", 0), ("walk", 0)]
    assert blobs(CLIPS).classify(black)[0][0] == "action 0"


@pytest.mark.parametrize("count", [2, 3, 9])
def test_a_video_is_classified_by_the_weighted_mean_of_its_frames(blobs, count):
    predictor, frames = blobs(CLIPS), film(count, fade=9)
    actions = predictor.classify(frames, BOX, margin=1, fps=10)
    persons = list(predictor.stream(frames, BOX, margin=1, fps=10))
    told = [dict(person.action) for person in persons]
    weights = [max(action.values()) for action in told]
    assert count < 9 or np.ptp(weights) > 0.1
    for name, score in actions:
        mean = np.average([action[name] for action in told], weights=weights)
        assert score == pytest.approx(mean, abs=1e-4)
    assert [score for _, score in actions] == sorted((s for _, s in actions), reverse=True)


def test_a_network_of_poses_classifies_no_videos(blobs):
    config = ModelConfig(**SMALL)
    with pytest.raises(ValueError, match=r"poses only\. Use the weights of a network with"):
        blobs(config).classify(film(3))


def test_poses_of_a_file_are_told_as_if_they_were_seen(tmp_path):
    path = tmp_path / "poses.json"
    rng = np.random.default_rng(0)
    poses = rng.uniform(50, 200, (12, 17, 3))
    poses[..., 2] = 1
    results = [{"image_id": n, "keypoints": pose.ravel().tolist()} for n, pose in enumerate(poses)]
    path.write_text(json.dumps(results))
    config = ModelConfig(**SMALL, **HEADS, actions={"a": 3}, streams=("pose",))
    model = build_model(config)
    predictor = Predictor.from_model(model, config, frame_rate=10.0)
    persons = list(predictor.stream(path))
    assert [person.index for person in persons] == list(range(12))
    assert persons[1].time == pytest.approx(1 / 30)
    wrist = predictor.skeleton.index("left_wrist")
    np.testing.assert_allclose(persons[2].joints[wrist], poses[2, 9, :2], atol=1e-3)
    assert np.isnan(persons[2].joints[predictor.skeleton.index("pelvis")]).all()
    assert sum(score for _, score in persons[0].action) == pytest.approx(1)
    assert predictor.classify(path)[0][1] > 1 / 3


def test_poses_alone_do_not_do_for_heads_that_see_the_picture(tmp_path):
    config = ModelConfig(**SMALL, **HEADS, actions={"a": 3})
    predictor = Predictor.from_model(build_model(config), config, frame_rate=10.0)
    with pytest.raises(ValueError, match=r"tells actions from the picture, too\. Give the video"):
        predictor.stream(tmp_path / "poses.json")
