"""Detectors of persons: what they give is checked, and KerasHub's are ready to use."""

import warnings

import numpy as np
import pytest
from blobs import POSES, corners, picture

from deephar import Predictor
from deephar.inference import KerasHubDetector
from deephar.inference.detectors import detect
from deephar.inference.people import MOST_PEOPLE

IMAGE = picture(20, 60)
BOX = [18, 57, 41, 92]


def gives(*answer):
    return lambda image: answer if len(answer) > 1 else answer[0]


@pytest.fixture
def predictor(blobs):
    return blobs(POSES)


def test_persons_are_seen_in_the_boxes_of_a_detector(predictor):
    image = np.maximum(IMAGE, picture(130, 20))
    boxes = [[128, 17, 151, 52], BOX]
    persons = predictor.people(image, detector=gives(boxes, [0.7, 0.9]))
    for person, box, place in zip(persons, boxes[::-1], [(20, 60), (130, 20)], strict=True):
        np.testing.assert_allclose(person.box, box)
        np.testing.assert_allclose(person.joints, corners(*place), atol=1)


def test_two_boxes_of_a_person_are_one_person(predictor):
    boxes = np.array([BOX, np.add(BOX, 2), np.subtract(BOX, 2)])
    (person,) = predictor.people(IMAGE, detector=gives(boxes, np.array([0.5, 0.9, 0.7])))
    np.testing.assert_allclose(person.box, boxes[1])


@pytest.mark.parametrize("nothing", [([], []), (np.zeros((0, 4)), np.zeros(0))])
def test_a_detector_that_finds_nobody_is_believed(predictor, nothing):
    assert predictor.people(IMAGE, detector=gives(*nothing)) == []
    assert list(predictor.track([IMAGE] * 3, detector=gives(*nothing))) == [[], [], []]


def test_a_detector_finds_persons_for_tracking(predictor):
    film = [picture(20 + 2 * t, 60) for t in range(20)]

    def detector(image):
        rows, columns = np.nonzero(image[..., 0])
        return [[columns.min(), rows.min(), columns.max(), rows.max()]], [1]

    frames = list(predictor.track(film, detector=detector))
    assert [[person.track for person in persons] for persons in frames] == 20 * [[1]]
    np.testing.assert_allclose(frames[-1][0].joints, corners(58, 60), atol=1)


@pytest.mark.parametrize(
    "wrong",
    [
        [np.nan, 57, 41, 92],
        [41, 57, 18, 92],
        [18, 57, 18, 92],
        [500, 57, 541, 92],
        [-90, 57, -41, 92],
        [18, np.inf, 41, np.inf],
    ],
)
def test_boxes_that_are_none_are_left_out_with_a_warning(wrong):
    with pytest.warns(UserWarning, match=r"1 of 2 boxes .* left out"):
        boxes, scores = detect(gives([wrong, BOX], [0.9, 0.5]), IMAGE)
    np.testing.assert_array_equal(boxes, [BOX])
    np.testing.assert_array_equal(scores, [0.5])


def test_boxes_are_cut_off_at_the_border():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boxes, _ = detect(gives([[-10, 120, 30, 170]], [1]), IMAGE)
    np.testing.assert_array_equal(boxes, [[0, 120, 30, 149]])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "gives NoneType, but a pair"),
        (np.zeros((5, 4)), r"ndarray of the shape \(5, 4\), but a pair"),
        ((np.zeros((5, 4)), np.zeros(4)), r"\(5, 4\) and scores of the shape \(4,\)"),
        ((np.zeros((2, 5)), np.zeros(2)), r"\(2, 5\)"),
        ((np.zeros(4), np.zeros(1)), r"boxes of the shape \(4,\)"),
        (([BOX], [np.nan]), "gives the score nan"),
        (("persons", [1]), "arrays of numbers"),
        (([BOX, [1, 2]], [1, 1]), "arrays of numbers"),
    ],
)
def test_other_answers_of_a_detector_are_refused(predictor, answer, message):
    with pytest.raises(ValueError, match=message):
        predictor.people(IMAGE, detector=gives(answer))


def test_the_number_of_boxes_is_bounded(blobs):
    seen = []

    def network(images):
        seen.append(len(images))
        return {"pose": np.full((len(images), 1, 16, 3), 0.5)}

    predictor = Predictor.from_model(network, POSES)
    boxes = np.array([[x, 10, x + 5, 40] for x in range(100)])
    predictor.people(IMAGE, detector=gives(boxes, np.ones(100)))
    assert sum(seen) <= MOST_PEOPLE + 8


# ------------------------------------------------------------------------------------- KerasHub

HEIGHT, WIDTH = 48, 96


@pytest.fixture(scope="module")
def tiny():
    """A small RetinaNet with random weights, of one class, which gives boxes of any score."""
    hub = pytest.importorskip("keras_hub", reason="KerasHub (deephar[detector]) is not installed")
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 8, 8],
        stackwise_num_blocks=[1, 1, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    converter = hub.layers.RetinaNetImageConverter(image_size=(HEIGHT, WIDTH), scale=1 / 255)
    detector = hub.models.RetinaNetObjectDetector(
        hub.models.RetinaNetBackbone(encoder, min_level=3, max_level=4, use_p5=False),
        num_classes=1,
        preprocessor=hub.models.RetinaNetObjectDetectorPreprocessor(image_converter=converter),
        prediction_decoder=hub.layers.NonMaxSuppression(
            "yxyx", from_logits=True, confidence_threshold=0.0, max_detections=50
        ),
    )
    detector.run_eagerly = True  # no time for compiling
    return detector


def test_a_keras_hub_detector_with_random_weights_gives_boxes(tiny, predictor):
    detector = KerasHubDetector(tiny, person=0, least_score=0)
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    boxes, scores = detector(image)
    assert boxes.shape == (len(scores), 4)
    assert 0 < len(scores) <= 50
    assert (boxes >= 0).all()
    assert (boxes <= [200, 120, 200, 120]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of boxes without area
        predictor.people(IMAGE, detector=detector)


def test_boxes_of_a_keras_hub_detector_are_in_pixels_of_the_picture(tiny, monkeypatch):
    def predict(images, verbose):
        """The box of what is bright, as a person, a cat, and a person of a low score."""
        assert images.shape == (1, HEIGHT, WIDTH, 3)
        rows, columns = np.nonzero(images[0, ..., 0] > 127)
        box = [rows.min(), columns.min(), rows.max(), columns.max()]
        return {
            "boxes": np.array([[box, box, box, [-1] * 4]], np.float32),
            "confidence": np.array([[0.9, 0.8, 0.3, -1]]),
            "labels": np.array([[1, 17, 1, 1]]),
            "num_detections": np.array([3]),
        }

    monkeypatch.setattr(tiny, "predict", predict)
    monkeypatch.setattr(tiny, "num_classes", 91)
    boxes, scores = KerasHubDetector(tiny)(picture(100, 20, size=(40, 60)))
    np.testing.assert_allclose(boxes, [[100, 20, 139, 79]], atol=4)
    np.testing.assert_allclose(scores, [0.9])


def test_what_is_no_detector_of_persons_is_refused(tiny):
    with pytest.raises(ValueError, match="has 1 classes"):
        KerasHubDetector(tiny)
    with pytest.raises(ValueError, match="name of a preset"):
        KerasHubDetector(42)
