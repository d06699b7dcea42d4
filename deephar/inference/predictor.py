"""From a picture or a video to poses and actions, with trained weights.

from deephar import Predictor

predictor = Predictor()                  # the default weights
person = predictor("photo.jpg")
person.joints, person.visibility         # pixels of the photo, in predictor.skeleton's order
for person in predictor.stream("video.mp4"):
    person.time, person.joints, person.action
predictor.classify("video.mp4")          # [(name, score), ...] of the whole video
predictor.people("photo.jpg")            # everybody in it
for persons in predictor.track("video.mp4"):
    [(person.track, person.action) for person in persons]
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from deephar import weights as weight_files
from deephar.data.crops import touches
from deephar.data.images import crop_image, normalize
from deephar.data.inputs import WHOLE, check_frame_rate, check_subsampling
from deephar.data.loading import batches_of
from deephar.data.pose_files import read_poses
from deephar.data.targets import depth_mm
from deephar.geometry import BOX_MARGIN, crop_affine, square_window
from deephar.inference.actions import mean_action, trained_spacing
from deephar.inference.boxes import enclosing_box, full_box
from deephar.inference.converted import convert_networks, load_keras_model, load_parts
from deephar.inference.detectors import SAME_PERSON, Detector, detect
from deephar.inference.media import Footage, Video, is_pose_file, load_picture, load_video
from deephar.inference.network import (
    POSE_OUTPUTS,
    call_network,
    check_model,
    joined,
    parted,
    parts_of,
    poses_of,
    require_images,
    stacked,
    stills_network,
)
from deephar.inference.people import MOST_PEOPLE, candidates, different_poses, persons_among
from deephar.inference.person import Person
from deephar.inference.poses import pose_in_image
from deephar.inference.runtimes import Runtime, choose_runtime, say_once
from deephar.inference.search import Follower, find_person
from deephar.inference.smoothing import Smoother
from deephar.inference.tracking import Tracker
from deephar.inference.windows import (
    SeenFrame,
    WindowRule,
    seen_poses,
    with_actions,
    with_actions_of_all,
    with_actions_so_far,
)
from deephar.models import ModelConfig, ReceptionConfig
from deephar.skeletons import get_skeleton

if TYPE_CHECKING:
    from deephar.data.samples import Sample
    from deephar.inference.network import Config, Model

_CHUNK = 16  # frames of a piece, where it is not as long as a clip
_SEARCHER = "vgg16-light"  # looks for persons in place of larger listed networks
_BATCH_SIZE = 8  # windows of several persons that the network sees together
_LONGEST_STEP = 8  # bounds the memory for clips that span the whole video


class Predictor:
    """A trained network for pictures and videos of any size and length.

    `Predictor.from_model` takes a network in memory instead of weights.

    Args:
        weights: name in ``weights/index.json``, or path of a weights file; None for the default
            weights of the index.
        head: name of the action head to use, a key of `config.actions`; needed if there are
            several.
        runtime: what the network runs on: "keras", "openvino" or "onnx" (ONNX Runtime). "auto"
            takes OpenVINO where it is installed (``pip install 'deephar[fast]'``) and there is no
            GPU, and says so once; otherwise Keras. A network is converted when it is first used,
            and kept in the cache folder, see `deephar.files.cache_folder`.
        precision: what it computes with: "float32", "bfloat16" or, of OpenVINO, "int8". "auto" is
            bfloat16 for OpenVINO on processors that are faster in it (this is measured, once), else
            float32; for Keras, its dtype policy.
        calibration: persons to quantise an int8 network on, see
            `deephar.inference.quantization.calibration_crops`; None for the built-in ones.

    Attributes:
        model: the `keras.Model`; of a network on another runtime, built when it is first asked for.
        config: its `ModelConfig`.
        runtime: the `Runtime`, with the name and the precision that were chosen.
        skeleton: the `Skeleton` of the joints.
        actions: names of the actions; empty if the network has none.

    Raises:
        FileNotFoundError: The weights do not exist, or there are no default ones.
        ValueError: The weights file is damaged, takes poses instead of images, or has several
            heads and `head` is none of them; or the runtime is not installed, or does not have the
            precision.
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = None,
        head: str | None = None,
        *,
        runtime: str = "auto",
        precision: str = "auto",
        calibration: Sequence[Sample] | None = None,
    ):
        name = weight_files.default_name() if weights is None else weights
        path = weight_files.find(name)
        facts = weight_files.read_facts(name)
        # Before the network is built, which takes seconds.
        self._set_config(path, weight_files.read_config(name), head, facts.get("actions", {}))
        self.runtime = choose_runtime(runtime, precision)
        if self.runtime.name == "keras":
            model = load_keras_model(name, self.runtime)
            parts, self._load_model = parted(model), lambda: model
        else:
            parts = load_parts(name, self.runtime, calibration=calibration)
            self._load_model = lambda: weight_files.load_model(name)[0]
        self._set_parts(parts, **trained_spacing(facts))
        self._search_weights = _search_weights(name, self.config)

    @classmethod
    def from_model(
        cls,
        model: Model,
        config: Config,
        *,
        head: str | None = None,
        actions: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        subsampling: int | str = 1,
        frame_rate: float | None = None,
        runtime: str | Runtime = "keras",
    ) -> Predictor:
        """A predictor with a network in memory, such as one that has just been trained.

        Args:
            model: a `keras.Model`, or a function with the same input and output.
            config: the `ModelConfig` or `ReceptionConfig` that it was built with.
            head: name of the action head to use; needed if there are several.
            actions: names of the head's actions; or a mapping from heads to theirs, as in the facts
                of a weights file. By default "action 0", "action 1", ...
            subsampling: default of `stream`: what the network was trained with.
            frame_rate: frames per second of the clips that it was trained with; None if
                `subsampling` tells their frames.
            runtime: what the network runs on: a name as of `Predictor`, or a `Runtime`. On another
                runtime than Keras, its weights are those of now, whatever training does to them.

        Raises:
            ValueError: The config does not fit the model, the network takes poses instead of
                images, has several heads and `head` is none of them, there are too many or too few
                names of actions, `subsampling` or `frame_rate` is invalid, or the model cannot run
                on the runtime.
        """
        check_frame_rate(frame_rate, subsampling)
        if not isinstance(config, ModelConfig | ReceptionConfig):
            raise ValueError(
                f"The config must be a ModelConfig or ReceptionConfig, got {config!r}. Give the "
                "config that the model was built with."
            )
        predictor = cls.__new__(cls)
        predictor._set_config("The network", config, head, actions)
        check_model(model, config, head=predictor._head)
        names = (runtime.name, runtime.precision) if isinstance(runtime, Runtime) else (runtime,)
        predictor.runtime = choose_runtime(*names)
        parts = parted(model)
        if predictor.runtime.name != "keras":
            parts = convert_networks(parts, config, predictor.runtime)
        predictor._set_parts(parts, subsampling=subsampling, frame_rate=frame_rate)
        predictor._load_model = lambda: model
        return predictor

    def _set_config(self, source, config, head, actions):
        require_images(config, source)
        self.config = config
        self.skeleton = get_skeleton(config.skeleton)
        self._head = _checked_head(source, config.actions, head)
        self.actions = _action_names(source, config.actions, self._head, actions)

    def _set_parts(self, parts, *, subsampling=1, frame_rate=None):
        self._parts = parts_of(parts) if self._head else None
        self._stills = self._parts.frames if self._head else stills_network(joined(parts))
        self._subsampling, self._frame_rate = subsampling, frame_rate
        self._search_weights = None

    @cached_property
    def _search(self):
        """The network that looks for persons, and its config."""
        if self._search_weights is None:
            return self._stills, self.config
        runtime = {"runtime": self.runtime.name, "precision": self.runtime.precision}
        small = Predictor(self._search_weights, **runtime)
        return small._stills, small.config

    @property
    def _searcher(self):
        """The faster network that looks for persons, and its config; None if there is none."""
        return None if self._search_weights is None else self._search

    @cached_property
    def model(self) -> Model:
        """The network as it was before it was converted for a runtime."""
        return self._load_model()

    def warm_up(self) -> None:
        """Has the networks run once as for a live source, whose first frames then come at once."""
        black = iter([(np.zeros((64, 64, 3), np.uint8), 0.0)])
        with warnings.catch_warnings(action="ignore"):  # of a film of one frame
            deque(self.stream(Footage.of_live("nothing", black)), maxlen=0)

    def __call__(
        self,
        image: str | os.PathLike | np.ndarray | Sequence,
        box: Sequence | np.ndarray | str | None = None,
        *,
        margin: float = BOX_MARGIN,
    ) -> Person | list[Person]:
        """The pose of one person in a picture.

        Args:
            image: RGB uint8 array (H, W, 3), or the path of a file, which is turned upright as its
                EXIF data say; or a list of either, of one person each.
            box: (4,), bounding box of the person in pixels, the crop is the square around it; None
                finds the person whose joints are seen best, who may be small in the picture (see
                `deephar.inference.find_person`), "largest" or "centre" another one. This takes some
                20 times as long. For larger shipped weights `vgg16-light` searches, which is
                several times as fast. If the picture is cut to the person, give all of it as the
                box, and ``margin=1``. For a list of pictures, a list of boxes.
            margin: side of the crop divided by the longer side of the box.

        Returns:
            `Person`, or a list of them for a list.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The picture or the box cannot be used.
        """
        if isinstance(image, list | tuple):
            boxes = [box] * len(image) if box is None or isinstance(box, str) else box
            if len(boxes) != len(image):
                raise ValueError(
                    f"box must have one box per picture, got {len(boxes)} for {len(image)} "
                    "pictures."
                )
            return [self(one, its, margin=margin) for one, its in zip(image, boxes, strict=True)]
        pixels = load_picture(image)
        if box is None or isinstance(box, str):
            box = find_person(*self._search, [pixels], whom=box or "best").box
        window = self._window(pixels, box, margin)
        crops = self._crops([pixels], [window], 1)
        poses = poses_of(call_network(self._stills, crops), self.config)
        return self._person(poses[0, -1], box, window)

    def people(
        self, image: str | os.PathLike | np.ndarray, *, detector: Detector | None = None
    ) -> list[Person]:
        """The poses of everybody in a picture.

        Persons are found from about a quarter of the picture's height on, see
        `deephar.inference.find_people`, or by a detector. Of poses of the same person, one is kept.

        Args:
            image: as of `__call__`.
            detector: what finds the persons, a function from the picture to boxes and scores, see
                `deephar.inference.detectors`; None for the network itself.

        Returns:
            A `Person` for everybody, at most `deephar.inference.people.MOST_PEOPLE`, the one who is
            seen best, or has the highest score of the detector, first; an empty list if nobody is
            seen.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The picture or what the detector gives cannot be used.
        """
        return [frame.person for frame in self._find_people(load_picture(image), detector)]

    def track(
        self,
        video: Video,
        *,
        fps: float | None = None,
        detector: Detector | None = None,
        smooth: bool = False,
        keep_images: bool = False,
    ) -> Iterator[list[Person]]:
        """The poses of everybody in a video, frame by frame, and the actions.

        Each person has a number, `Person.track`, that stays. Someone who is not seen for a second
        gets a new one when they come back. Each has the action of the window around the frame, as
        in `stream`. The whole frame is searched twice a second, see `people`.

        Args:
            video: as of `stream`, but no file of poses.
            fps: as of `stream`.
            detector: as of `people`.
            smooth: as of `stream`.
            keep_images: whether the persons carry the frames.

        Yields:
            The persons of each frame by their numbers; an empty list if nobody is seen.

        Raises:
            FileNotFoundError, OSError, ValueError: As `stream`.
        """
        frames = self.track_frames(video, fps=fps, detector=detector, smooth=smooth)
        for image, _, persons in frames:
            yield [replace(person, image=image) for person in persons] if keep_images else persons

    def track_frames(
        self,
        video: Video,
        *,
        fps: float | None = None,
        detector: Detector | None = None,
        smooth: bool = False,
    ) -> Iterator[tuple[np.ndarray, float, list[Person]]]:
        """As `track`, with the frames, also those in which nobody is seen.

        Args:
            video: as of `track`.
            fps: as of `track`.
            detector: as of `track`.
            smooth: as of `track`.

        Yields:
            The image, uint8 (H, W, 3), RGB; its time in seconds; and the persons.

        Raises:
            FileNotFoundError, OSError, ValueError: As `track`.
        """
        footage = load_video(video, fps)
        rule = self._window_rule(None, footage.num_frames)
        shown = deque()  # until the actions are known
        frames = self._tracked(footage.frames, shown, detector)
        if rule is None:
            persons = ([frame.person for frame in seen] for _, seen in frames)
        else:
            persons = with_actions_of_all(frames, self._parts, self._head, self.actions, rule)
        smoother, nothing = Smoother() if smooth else None, True
        for its in persons:
            nothing = False
            yield *shown.popleft(), [smoother(it) for it in its] if smooth else its
        if nothing:
            raise ValueError(f"{footage.name} holds no frame. Give a video with at least one.")

    def stream(
        self,
        video: Video,
        box: Sequence[float] | np.ndarray | str | int | None = None,
        *,
        margin: float = BOX_MARGIN,
        subsampling: int | str | None = None,
        fps: float | None = None,
        smooth: bool = False,
        keep_images: bool = False,
    ) -> Iterator[Person]:
        """The poses of one person in a video, frame by frame, and the actions.

        The video is read in pieces, so memory does not grow with its length. Without a box, the
        person whose joints are seen best is searched for, and followed from piece to piece as long
        as they are seen nearly as well. Each piece has one box, which encloses the person at its
        beginning, in its middle and at its end. A search takes as long as some 20 frames. It is
        repeated for each piece in which the person is lost. A person who was not seen well may be
        something else: then the search is repeated, too, and somebody who is seen better takes
        their place.

        The action in a frame is that of a clip around it, at the frame rate that the network was
        trained with, by the time stamps of the video (see `deephar.inference.windows`). Clips
        share the poses: that of each frame is computed once. A frame comes when its clip and those
        of the next few frames are complete, half the length of a clip later or more. Where the
        person is seen in fewer than two frames of a clip, the action is "other" with a score of 1,
        if the network has this action.

        Of a camera or a live stream, frames are dropped rather than delayed. Each comes at once,
        with the action of the clip that ends with it.

        Args:
            video: path or address of a video; number of a camera; folder, pattern (``%06d.png``)
                or list of pictures; or an iterable of RGB uint8 frames (H, W, 3), such as an array
                (N, H, W, 3). See `deephar.inference.media.load_video`. Or the path of a file of
                poses, see `deephar.data.read_poses`, if the action heads see poses alone. Ctrl-C
                ends a camera or a live stream, and what was seen until then is complete.
            box: (4,), bounding box of the person in pixels, for all frames; None finds the one who
                is seen best, "largest" the largest one, "centre" the one nearest to the middle of
                the picture. A number is for the person who has it in `track`.
            margin: side of the crop divided by the longer side of the box.
            subsampling: frames of the video from one frame of a clip to the next, instead of a
                frame rate. "whole" spreads the clips over the whole video if its length is known,
                with up to 8 frames from one to the next. By default what the network was trained
                with.
            fps: frame rate of pictures and of frames without a file; 30 by default.
            smooth: whether to take the jitter out of the joints, see
                `deephar.inference.smoothing.Smoother`. Actions are told from joints as they are.
            keep_images: whether the results carry the frames.

        Yields:
            `Person` for each frame, in order.

        Raises:
            FileNotFoundError: The file does not exist.
            OSError: The address does not answer.
            ValueError: There is no such camera; the file is empty, holds no video (only sound,
                say), cannot be decoded, or holds no frame; its time stamps do not rise; a frame or
                the box cannot be used; nobody has the number; the frames differ in size.

        Warns:
            UserWarning: Frames of the file are missing or damaged.
        """
        add_actions = with_actions
        if is_pose_file(video):
            frames = self._read(video)
            rule = self._window_rule(subsampling, 0)
        else:
            footage = load_video(video, fps)
            add_actions = with_actions_so_far if footage.live else with_actions
            rule = self._window_rule(subsampling, footage.num_frames)
            frames = self._watch(footage, box, margin, rule, keep_images)
        if rule is None:
            persons = (frame.person for frame in frames)
        else:
            persons = add_actions(frames, self._parts, self._head, self.actions, rule)
        return _smoothed(persons) if smooth else persons

    def watch(
        self,
        video: Video,
        box: Sequence[float] | np.ndarray | str | int | None = None,
        *,
        margin: float = BOX_MARGIN,
        keep_images: bool = False,
    ) -> Iterator[SeenFrame]:
        """What the network sees of one person in a video, frame by frame: `stream` without actions.

        Args:
            video: as of `stream`.
            box: as of `stream`.
            margin: as of `stream`.
            keep_images: as of `stream`.

        Yields:
            `SeenFrame` for each frame: the person, and what the action heads take.

        Raises:
            FileNotFoundError, OSError, ValueError: As `stream`.
        """
        if is_pose_file(video):
            return self._read(video)
        rule = self._window_rule(None, 0)
        return self._watch(load_video(video), box, margin, rule, keep_images)

    def classify(
        self,
        video: Video,
        box: Sequence[float] | np.ndarray | str | int | None = None,
        *,
        margin: float = BOX_MARGIN,
        fps: float | None = None,
    ) -> list[tuple[str, float]]:
        """The action in a video: the weighted mean of those in its frames, see `mean_action`.

        Args:
            video: as of `stream`.
            box: as of `stream`.
            margin: as of `stream`.
            fps: as of `stream`.

        Returns:
            (name, score) of all actions, the best first. Where nobody is found, that is "other"
            with a score of 1, if the network has this action.

        Raises:
            FileNotFoundError: As `stream`.
            ValueError: As `stream`; or the network tells no actions.
        """
        if not self._head:
            raise ValueError(
                "The network predicts poses only. Use the weights of a network with actions, "
                "such as vgg16-medium-penn."
            )
        persons = self.stream(video, box, margin=margin, fps=fps)
        return mean_action(person.action for person in persons)

    def _watch(self, footage, box, margin, rule, keep_images):
        """The frames of a video as the network sees them, numbered."""
        length = _CHUNK if rule is None or rule.by_time else rule.num_frames * rule.interval
        if isinstance(box, Integral):
            seen = self._follow_number(footage, box)
        elif footage.live:
            seen = self._follow_live(footage.frames, box, margin)
        else:
            seen = self._follow(_pieces(footage.frames, length), length, box, margin)
        return _numbered(seen, footage.name, keep_images, warn=rule is not None)

    def _read(self, path):
        """The poses of a file as if the network had seen them, for heads that see poses alone."""
        inputs = set(self._parts.inputs) if self._head else set()
        if not inputs <= POSE_OUTPUTS or self.config.dim != 2:
            raise ValueError(
                f"{path} holds 2D poses, but the network tells actions from "
                f"{'depth' if self.config.dim == 3 else 'the picture'}, too. Give the video, or "
                "use a network whose action heads see 2D poses alone."
            )
        track = read_poses(path)
        if lacking := track.lacks(self.skeleton):
            say_once(
                f"Files of poses in {track.skeleton} have no {', '.join(lacking)}. These joints "
                "count as hidden."
            )
        return seen_poses(track.in_skeleton(self.skeleton), self.config)

    def _window_rule(self, subsampling, num_frames):
        """Where the windows are in a video of `num_frames` (0 if unknown); None without actions."""
        if not self._head:
            return None
        length = self.config.num_frames
        if subsampling is None and self._frame_rate is not None:
            return WindowRule(length, 1 / self._frame_rate, by_time=True)
        if subsampling is None:
            subsampling = self._subsampling
        check_subsampling(subsampling)
        if subsampling == WHOLE:
            subsampling = min(max(1, num_frames // length), _LONGEST_STEP)
        return WindowRule(length, int(subsampling), by_time=False)

    def _follow(self, pieces, length, box, margin):
        """The frames of a video, (image, time), as the network has seen them."""
        found, box = None, "best" if box is None else box
        for piece, num_new in pieces:
            images = [image for image, _ in piece]
            if isinstance(box, str):
                found = find_person(*self._search, images, near=found, whom=box)
            its = found.box if isinstance(box, str) else box
            seen = self._see(images[-num_new:], num_new * [its], margin, length)
            if found is not None:
                poses = [frame.pose for frame in seen]
                found = found.moved_to(poses, images[0].shape[1::-1])
            yield from zip(piece[-num_new:], seen, strict=True)

    def _follow_live(self, frames, box, margin):
        """As `_follow`, each frame at once, in the box of the person in the frame before."""
        follower = Follower(*self._search, whom=box or "best") if not _is_box(box) else None
        for image, time in frames:
            its = follower.box(image, time) if follower else box
            (seen,) = self._see([image], [its], margin, 1)
            if follower:
                pose = np.column_stack([seen.person.joints, seen.person.visibility])
                follower.move(pose, image.shape[1::-1])
            yield (image, time), seen

    def _follow_number(self, footage, number):
        """As `_follow`, of the person who has a number."""
        tracker = Tracker(self._see_all, partial(self._find_people, detector=None))
        box, last = None, 0
        for frame, persons in tracker.follow(footage.frames):
            seen, last = persons.get(number), max(last, *persons, 0)
            if seen is None:  # what the network sees there is of no use, but has the right shapes
                box = full_box(frame[0].shape[1::-1]) if box is None else box
                seen = self._see([frame[0]], [box], BOX_MARGIN, 1)[0].unseen()
            box = seen.person.box
            yield frame, seen
        if not 1 <= number <= last:
            numbers = f"there are the numbers 1 to {last}" if last else "nobody is seen"
            raise ValueError(f"Nobody has the number {number} in {footage.name}: {numbers}.")

    def _tracked(self, frames, shown, detector):
        """The time of each frame, and what the network has seen of everybody in it.

        Adds the images and their times to `shown`.
        """
        tracker = Tracker(self._see_all, partial(self._find_people, detector=detector))
        for index, ((image, time), persons) in enumerate(tracker.follow(frames)):
            shown.append((image, time))
            yield (
                time,
                [
                    seen._replace(person=replace(seen.person, track=number, index=index, time=time))
                    for number, seen in persons.items()
                ],
            )

    def _find_people(self, image, detector):
        """What the network sees of everybody in an image, the best first."""
        if detector is not None:
            boxes = list(detect(detector, image)[0][:MOST_PEOPLE])
            seen = self._see_all([image] * len(boxes), boxes)
            best = different_poses([frame.pose for frame in seen], same=SAME_PERSON)
        else:
            poses = candidates(self._stills, self.config, image, searcher=self._searcher)
            boxes = [enclosing_box([pose], image.shape[1::-1]) for pose in poses]
            seen = self._see_all([image] * len(boxes), boxes)
            best = persons_among(poses, [frame.pose for frame in seen], image.shape[1::-1])
        return [seen[number] for number in best]

    def _see_all(self, images, boxes):
        """What the network sees in each image around its box, however many there are."""
        return [
            frame
            for batch in batches_of(zip(images, boxes, strict=True), _BATCH_SIZE)
            for frame in self._see(*zip(*batch, strict=True), BOX_MARGIN, _BATCH_SIZE)
        ]

    def _see(self, images, boxes, margin, count):
        """What the network sees around a box in each of up to `count` images."""
        windows = [
            self._window(image, box, margin) for image, box in zip(images, boxes, strict=True)
        ]
        outputs = call_network(self._stills, self._crops(images, windows, count))
        poses = poses_of(outputs, self.config)[:, -1]
        names = {"pose", *(self._parts.inputs if self._head else ())}
        seen = []
        for number, (box, window) in enumerate(zip(boxes, windows, strict=True)):
            for_heads = {name: outputs[name][number] for name in names}
            for name in names & POSE_OUTPUTS:
                affine = crop_affine(*window)
                for_heads[name] = pose_in_image(for_heads[name], affine, self.skeleton.flip)
            for_heads = {name: np.asarray(it, np.float32) for name, it in for_heads.items()}
            seen.append(SeenFrame(self._person(poses[number], box, window), for_heads))
        return seen

    def _window(self, image, box, margin):
        """Centre and side of the square to crop."""
        center, side = square_window(box, margin)
        size = image.shape[1::-1]
        if not touches(center, side, size):
            raise ValueError(
                f"The box {np.round(box, 1).tolist()} lies wholly outside of the picture of "
                f"{size[0]} x {size[1]} pixels. Give (x1, y1, x2, y2) in its pixels."
            )
        return center, side

    def _crops(self, images, windows, count):
        crops = [
            normalize(crop_image(image, crop_affine(*window), self.config.image_size))
            for image, window in zip(images, windows, strict=True)
        ]
        return stacked(crops, count)

    def _person(self, pose, box, window):
        center, side = window
        pose = pose_in_image(pose, crop_affine(center, side), self.skeleton.flip)
        return Person(
            joints=pose[:, :2],
            depth=depth_mm(pose[:, 2]) if pose.shape[1] == 4 else None,
            visibility=pose[:, -1],
            box=np.array(box, float),
            crop=np.concatenate([center - side / 2, center + side / 2]),
            skeleton=self.config.skeleton,
        )

    def __repr__(self):
        known = f", {len(self.actions)} actions of {self._head!r}" if self._head else ""
        return f"Predictor({self.skeleton.name}{known}, {self.runtime})"


def _search_weights(name, config):
    """Listed weights that search as well as those of a name, in less time; None if there are none.

    On persons of LSP in larger pictures, `vgg16-medium` has the same PCK whoever searched.
    """
    entry = weight_files.index().get(_SEARCHER) if name in weight_files.index() else None
    if entry is None or not weight_files.is_available(entry):
        return None
    small = weight_files.read_config(_SEARCHER)
    fits = small.skeleton == config.skeleton and small.image_size < config.image_size
    return _SEARCHER if fits else None


def _is_box(box):
    """Whether a box is given by its corners."""
    return box is not None and not isinstance(box, str)


def _smoothed(persons):
    """The persons with smoothed joints."""
    smoother = Smoother()
    with closing(persons):
        yield from map(smoother, persons)


def _pieces(frames, length):
    """Runs of `length` frames in a row, and how many of each are new.

    The last one is filled up with the frames before it. It is shorter if the video is.
    """
    piece = []
    while new := list(islice(frames, length)):
        piece = piece[len(new) :] + new
        yield piece, len(new)


def _numbered(seen, name, keep_images, *, warn):
    """The frames with the number, the time and the image of the person.

    With `warn`, warns of a video of one frame.
    """
    index = -1
    for index, ((image, time), frame) in enumerate(seen):
        image = image if keep_images else None
        yield frame._replace(person=replace(frame.person, index=index, time=time, image=image))
    if index < 0:
        raise ValueError(f"{name} holds no frame. Give a video with at least one.")
    if index == 0 and warn:
        warnings.warn(
            f"{name} has a single frame, and an action takes several: it is not known.",
            stacklevel=3,  # where the caller takes the persons from `stream`
        )


def _checked_head(source, heads, head):
    """Name of the head to use; None of a network of poses only."""
    known = ", ".join(heads)
    if head is None and len(heads) > 1:
        raise ValueError(
            f"{source} has several heads for actions ({known}). Choose one with --head NAME (in "
            "Python: head=NAME)."
        )
    if head is not None and head not in heads:
        advice = f"Choose one of {known}, or other weights." if known else "Leave the head out."
        raise ValueError(
            f"{source} has no head {head!r} for actions (known: {known or 'none'}). {advice}"
        )
    return head or next(iter(heads), None)


def _action_names(source, heads, head, actions):
    """Names of the head's actions."""
    if head is None:
        return ()
    names = actions.get(head) if isinstance(actions, Mapping) else actions
    if names is None:
        return tuple(f"action {number}" for number in range(heads[head]))
    if len(names) != heads[head]:
        raise ValueError(
            f"{source} comes with names for {len(names)} actions, but its head {head!r} has "
            f"{heads[head]} classes. Name each of them."
        )
    return tuple(names)
