"""Actions of video files."""

import numpy as np
import pytest
from blobs import ACTIONS, film
from networks import POSES

from deephar.data import LabelledVideo
from deephar.inference import predict_videos
from deephar.video import VideoWriter


@pytest.fixture
def videos(tmp_path):
    """Builder of video files: ``videos(3, 9)`` has two, of 3 and of 9 frames."""

    def build(*lengths, **options):
        made = []
        for number, length in enumerate(lengths):
            path = tmp_path / f"{number}.mp4"
            with VideoWriter(path, 30) as writer:
                for frame in film(length, **options):
                    writer.write(frame)
            made.append(LabelledVideo(path, "squat", path.name, path.name))
        return made

    return build


@pytest.fixture
def predictor(blobs):
    return blobs(actions=ACTIONS)


def test_scores_are_the_weighted_mean_of_the_frames(videos, predictor):
    given = videos(9, 5, fade=9)
    predictions = predict_videos(predictor, given)
    assert predictions.videos == tuple(given)
    assert predictions.actions == tuple(ACTIONS)
    assert predictions.unreadable == ()
    for video, scores in zip(given, predictions.scores, strict=True):
        frames = [dict(person.action) for person in predictor.stream(video.path)]
        weights = [max(frame.values()) for frame in frames]
        assert np.ptp(weights) > 0.01
        expected = np.average([[f[name] for name in ACTIONS] for f in frames], 0, weights)
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def drawn_on(picture):
    """x and y of the coloured lines in a picture that is otherwise grey."""
    y, x = np.nonzero(np.ptp(picture.astype(int), axis=2) > 60)
    return x, y


def test_pictures_show_the_person_with_the_pose(videos, predictor):
    picture = predict_videos(predictor, videos(9)).pictures[0]
    assert picture.shape == (320, 320, 3)
    x, y = drawn_on(picture)
    # A rectangle of 20 x 30 pixels, in a crop of 1.5 times its height, and its surroundings.
    scale = 320 / (1.3 * 1.5 * 30)
    np.testing.assert_allclose([np.ptp(x), np.ptp(y)], [19 * scale, 29 * scale], rtol=0.25)
    white = picture.min(axis=2) > 200
    assert white[y.min() : y.max(), x.min() : x.max()].mean() > 0.5


def test_pictures_end_where_the_frame_does(videos, predictor):
    picture = predict_videos(predictor, videos(9, width=140, height=92)).pictures[0]
    assert picture.shape == (320, 320, 3)
    low = predict_videos(predictor, videos(9, width=200, height=92, size=(60, 32))).pictures[0]
    assert low.shape[1] == 320 > low.shape[0]


def test_of_many_videos_only_some_are_pictured(videos, predictor, monkeypatch):
    monkeypatch.setattr("deephar.inference.videos._MOST_PICTURES", 2)
    assert sorted(predict_videos(predictor, videos(1, 1, 1, 1)).pictures) == [0, 3]


def test_broken_videos_are_named_and_the_others_read(videos, predictor):
    given = videos(4, 4, 4)
    given[0].path.write_bytes(b"no video")
    given[2].path.unlink()
    predictions = predict_videos(predictor, given)
    assert predictions.videos == (given[1],)
    assert len(predictions.scores) == 1
    assert sorted(predictions.pictures) == [0]
    (first, reason), (second, other) = predictions.unreadable
    assert (first, second) == (given[0], given[2])
    assert "0.mp4 holds no frames that can be decoded" in reason
    assert "2.mp4 does not exist" in other


def test_nothing_to_predict_is_an_error(videos, predictor, blobs):
    given = videos(1)
    with pytest.raises(ValueError, match="predicts poses only"):
        predict_videos(blobs(POSES), given)
    with pytest.raises(ValueError, match="There is no video"):
        predict_videos(predictor, [])
    given[0].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the videos can be read.*0\.mp4 is an empty"):
        predict_videos(predictor, given)
