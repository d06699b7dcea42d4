"""A network that needs no training, data sets for it, and scores on them."""

import numpy as np
import pytest
from dots import clip_config, clips, config, dot_videos, dots, reader

from deephar.data import LabelledVideo
from deephar.evaluation import DepthScores, score_actions, score_mpii, score_videos
from deephar.inference import ActionProtocol, Predictions, VideoPredictions, predict_actions
from deephar.metrics import Score
from deephar.skeletons import convert

__all__ = ["clip_config", "clips", "config", "dot_videos", "dots", "reader"]

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]])


@pytest.fixture
def jittered():
    """Builder of predictions: the truth plus noise, less of it for earlier blocks."""

    def build(dataset, skeleton, blocks=2):
        rng = np.random.default_rng(0)
        true = np.stack([sample.joints for sample in dataset])
        side = np.array([sample.side for sample in dataset])[:, None, None]
        noise = [0.02 * (1 + b) * side * rng.normal(size=true.shape) for b in range(blocks)]
        joints = convert(np.stack([true + n for n in noise]), dataset.skeleton, skeleton)
        visibility = rng.uniform(size=joints.shape[:3])
        names = tuple(sample.name for sample in dataset)
        return Predictions(joints, visibility, names, skeleton, crops_per_person=1)

    return build


@pytest.fixture
def mpii(dots, jittered):
    """A data set, predictions for it whose first block is the better one, and their scores."""
    dataset = dots(7)
    predictions = jittered(dataset, "pa16j")
    return dataset, predictions, score_mpii(predictions, dataset)


@pytest.fixture
def weights_file(tmp_path):
    path = tmp_path / "some.h5"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def action_scores(clip_config, dot_videos, clips):
    """Scores of three videos, of which the last is taken for another action."""

    def build(dataset=None, config=clip_config, dim=2, **options):
        dataset = dataset or dot_videos()
        model = clips(lambda batch: ANSWERS[: len(batch)], blocks=2, dim=dim)
        predictions = predict_actions(
            model, config, dataset, protocol=ActionProtocol(**options), batch_size=3
        )
        return score_actions(predictions, dataset)

    return build


def _score(total, persons=4, interval=(1.0, 2.0)):
    counts = np.full(17, persons)
    return Score(total, np.full(17, total), {}, 17 * persons, counts, interval)


@pytest.fixture
def space_scores():
    """Made-up scores of four persons in space, by two actions."""
    joints = np.zeros((2, 4, 17, 2))
    names = ("a", "b", "c", "d")
    return DepthScores(
        data="h36m test",
        source="data_3d_h36m.npz",
        num_scored=4,
        num_in_split=4,
        predictions=Predictions(joints, joints[..., 0], names, "pa17j", crops_per_person=1),
        skeleton="pa17j",
        blocks=(_score(61.0), _score(55.0)),
        aligned=(_score(48.0), _score(41.0)),
        actions={
            "Walking": (_score(52.0, 3), _score(40.0, 3)),
            "Sitting": (_score(64.0, 1, None), _score(44.0, 1, None)),
        },
    )


def _pictures(count):
    """Grey pictures of several sizes, by the numbers of videos."""
    return {number: np.full((40, 50 + number, 3), 90, np.uint8) for number in range(count)}


@pytest.fixture
def video_scores(tmp_path):
    """Builder of scores of made-up videos: ``video_scores({"squat": [(0.7, 0.2, 0.1)], ...})``.

    The actions are those of the argument `actions`; the scores of each video are in their order.
    Groups are the videos themselves unless `groups` names them.
    """

    def build(scores, *, actions=("bowl", "squat", "other"), groups=None, unreadable=(), **options):
        rows = [(action, row) for action, given in scores.items() for row in given]
        videos = [
            LabelledVideo(
                tmp_path / f"{n}.mp4", action, groups[n] if groups else str(n), f"{n}.mp4"
            )
            for n, (action, _) in enumerate(rows)
        ]
        failed = [
            (LabelledVideo(tmp_path / name, "bowl", name, name), reason)
            for name, reason in unreadable
        ]
        predictions = VideoPredictions(
            videos=tuple(videos),
            scores=np.array([row for _, row in rows]),
            actions=tuple(actions),
            pictures=_pictures(len(videos)),
            unreadable=tuple(failed),
        )
        dataset = _Listed([*videos, *(video for video, _ in failed), *options.get("left_out", ())])
        return score_videos(predictions, dataset, **options)

    return build


class _Listed(list):
    """Stands in for a `VideoFolder`."""

    name, source = "wild", "wild/clips.csv"


@pytest.fixture
def wild(video_scores):
    """Scores of four known videos, of which one is taken for another, and three of none."""
    return video_scores(
        {
            "bowl": [(0.8, 0.15, 0.05), (0.3, 0.6, 0.1)],
            "squat": [(0.1, 0.7, 0.2), (0.1, 0.4, 0.5)],
            "other": [(0.2, 0.2, 0.6), (0.3, 0.1, 0.6), (0.5, 0.4, 0.1)],
        },
        settings={"head": "penn"},
    )
