"""Person detectors of other projects, in place of the built-in search for everybody in a picture.

A detector is any function from a picture, RGB uint8 (H, W, 3), to boxes and their scores:

    def detector(image):
        return boxes, scores             # (n, 4), x1, y1, x2, y2 in pixels; (n,), higher is better

    predictor.people("photo.jpg", detector=detector)
    predictor.track("video.mp4", detector=KerasHubDetector("dfine_nano_coco"))
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from deephar.geometry import has_area

if TYPE_CHECKING:
    import keras_hub

Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

SAME_PERSON = 0.5
"""Poses in boxes of a detector that are more similar than this are of one person."""

_PERSON = {80: 0, 91: 1}  # number of the class "person" in COCO's 80 classes, and with its gaps
_INPUT_SIZE = (640, 640)  # of a detector that takes any


def detect(detector: Detector, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes that a detector gives for a picture, checked.

    Boxes are cut off at the border of the picture. Those that are NaN, empty or wholly outside are
    left out, with a warning.

    Args:
        detector: see this module.
        image: RGB uint8 (H, W, 3).

    Returns:
        Boxes float64 (n, 4) in pixels and scores float64 (n,), the highest score first.

    Raises:
        ValueError: The detector gives something else than boxes (n, 4) and n finite scores.
    """
    boxes, scores = _checked(detector(image))
    height, width = image.shape[:2]
    cut = np.clip(boxes, 0, [width - 1, height - 1] * 2)
    fine = has_area(boxes) & has_area(cut)
    if not fine.all():
        warnings.warn(
            f"{(~fine).sum()} of {len(boxes)} boxes of the detector are left out, such as "
            f"{boxes[~fine][0].round(1).tolist()}, because they are NaN, empty or outside of the "
            f"picture of {width} x {height} pixels. Boxes are (x1, y1, x2, y2) in pixels.",
            stacklevel=2,
        )
    order = np.argsort(-scores[fine], kind="stable")
    return cut[fine][order], scores[fine][order]


def _checked(answer):
    """Boxes (n, 4) and scores (n,) of what a detector gives."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise ValueError(
            f"The detector gives {_described(answer)}, but a pair is needed: boxes (n, 4), "
            "(x1, y1, x2, y2) in pixels, and their scores (n,)."
        )
    try:
        boxes, scores = (np.asarray(part, float) for part in answer)
    except (TypeError, ValueError):
        raise ValueError(
            f"The detector gives {' and '.join(map(_described, answer))}, but arrays of numbers "
            "are needed: boxes (n, 4), (x1, y1, x2, y2) in pixels, and their scores (n,)."
        ) from None
    if boxes.size == 0 and scores.size == 0:
        return boxes.reshape(0, 4), scores.reshape(0)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"The detector gives boxes of the shape {boxes.shape} and scores of the shape "
            f"{scores.shape}, but (n, 4) and (n,) are needed."
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The detector gives the score {scores[~np.isfinite(scores)][0]}. Give a finite one to "
            "each box."
        )
    return boxes, scores


def _described(value):
    shape = getattr(value, "shape", None)
    return type(value).__name__ + ("" if shape is None else f" of the shape {tuple(shape)}")


class KerasHubDetector:
    """A KerasHub object detector as a detector of persons.

    Needs ``pip install 'deephar[detector]'``. The weights of a preset are downloaded by KerasHub
    when it is first used, and kept in its own cache. Each has its own licence.

    Args:
        detector: a ``keras_hub.models.ObjectDetector``, or the name of a preset:
            ``"dfine_nano_coco"`` (the smallest) to ``"dfine_xlarge_coco"``, or
            ``"retinanet_resnet50_fpn_v2_coco"``.
        person: number of its class "person"; None for detectors of COCO's classes.
        least_score: boxes with a lower score are left out.

    Raises:
        ValueError: KerasHub is not installed, `detector` is none, or its classes are not COCO's and
            `person` is not given.
    """

    def __init__(
        self,
        detector: keras_hub.models.ObjectDetector | str,
        *,
        person: int | None = None,
        least_score: float = 0.5,
    ):
        if importlib.util.find_spec("keras_hub") is None:
            raise ValueError(
                "KerasHub is not installed. Install it with: pip install 'deephar[detector]'"
            )
        import keras_hub  # late: takes seconds

        if isinstance(detector, str):
            detector = keras_hub.models.ObjectDetector.from_preset(detector)
        if not isinstance(detector, keras_hub.models.ObjectDetector):
            raise ValueError(
                "detector must be a keras_hub.models.ObjectDetector or the name of a preset, got "
                f"{detector!r}."
            )
        if person is None and detector.num_classes not in _PERSON:
            raise ValueError(
                f"The detector has {detector.num_classes} classes, which are not COCO's. Say which "
                "one is a person (person=NUMBER)."
            )
        self._detector = detector
        self._person = _PERSON[detector.num_classes] if person is None else person
        self._least_score = least_score
        self._size = _input_size(detector)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) and scores (n,) of the persons in a picture, RGB uint8 (H, W, 3)."""
        import keras

        height, width = self._size
        scale = min(height / image.shape[0], width / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[:height, :width]
        batch = np.zeros((1, height, width, 3), np.float32)
        batch[0, : small.shape[0], : small.shape[1]] = small
        found = self._detector.predict(batch, verbose=0)
        boxes = keras.utils.bounding_boxes.convert_format(
            found["boxes"],
            source=self._detector.bounding_box_format,
            target="xyxy",
            height=height,
            width=width,
        )
        boxes = keras.ops.convert_to_numpy(boxes)[0]
        scores, labels = found["confidence"][0], found["labels"][0]
        fine = (np.arange(len(boxes)) < found["num_detections"][0]) & (labels == self._person)
        fine &= scores >= self._least_score
        # What is beside the picture in the batch is not part of any person.
        inside = np.clip((boxes[fine] + 0.5) / scale - 0.5, 0, [*image.shape[1::-1]] * 2)
        return inside, scores[fine]


def _input_size(detector):
    """Height and width of the pictures that a detector is made for."""
    converter = getattr(detector.preprocessor, "image_converter", None)
    for size in (getattr(converter, "image_size", None), detector.backbone.image_shape[:2]):
        if size is not None and None not in size:
            return tuple(size)
    return _INPUT_SIZE
