"""Made pictures and videos of several persons, of whom it is known where they are."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from deephar import Predictor
from deephar.camera import Camera
from deephar.data.images import load_image
from deephar.data.synthetic.body import Body
from deephar.data.synthetic.motions import Style, perform
from deephar.data.synthetic.render import LazyFrames, Light, Look, draw_solids, figure_solids
from deephar.data.synthetic.scenery import surroundings
from deephar.skeletons import get_skeleton
from deephar.video import read_video

SIZE = (640, 480)
RATE = 25.0  # frames per second of the films
WAYS = ("crossing", "side by side")

# Images of LSP's test part that show nobody but the labelled person near them, by eye.
ALONE = frozenset(
    f"im{number}.jpg"
    for number in """
    1001 1002 1003 1004 1010 1012 1014 1015 1016 1017 1019 1020 1022 1023 1025 1026 1028 1031 1032
    1033 1035 1036 1038 1040 1046 1047 1048 1052 1054 1057 1059 1060 1061 1065 1068 1069 1070 1072
    1074 1075 1076 1078 1081 1082 1083 1084 1085 1086 1088 1091 1093 1095 1097 1099 1101 1104 1106
    1107 1111 1113 1114 1115 1116 1117 1118 1120 1122 1123 1124 1125 1127 1128 1130 1131 1133 1134
    1137 1138 1139 1140 1142 1147 1148 1149 1152 1161 1162 1163 1164 1165 1167 1168 1169 1170 1172
    1176 1181 1183 1185 1189 1193 1194 1198 1199 1202 1204 1205 1206 1210 1211 1212 1215 1216 1217
    1218 1220 1221 1223 1224 1226 1228 1229 1230 1233 1235 1236 1238 1243 1248 1250 1251 1252 1253
    1258 1260 1262 1263 1264 1266 1271 1272 1273 1274 1275 1278 1279 1280 1282 1285 1289 1290 1291
    1292 1294 1296 1299 1300 1302 1304 1305 1306 1307 1308 1309 1310 1314 1315 1318 1320 1321 1323
    1332 1334 1335 1344 1345 1346 1347 1348 1354 1358 1359 1362 1364 1365 1367 1368 1374 1378 1380
    1381 1383 1386 1387 1389 1390 1391 1393 1399 1400 1405 1406 1408 1411 1414 1416 1417 1419 1421
    1422 1424 1425 1426 1427 1430 1433 1438 1439 1442 1443 1446 1447 1448 1449 1451 1452 1453 1454
    1455 1456 1459 1464 1466 1469 1472 1473 1483 1485 1493 1497 1498 1499 1500
    """.split()
)

_DRAWN, _CUT = 640, 80  # width of the drawn films; what is cut off a square above and below
_FOCAL = 0.9  # focal length of their camera, in widths of the picture
_CLIP_HEIGHT = 320
_SKELETON = get_skeleton("pa16j")


def those_alone(dataset):
    """The persons of LSP of whom all others in the image are labelled: those who are alone.

    Of another data set than its test part, all persons.
    """
    persons = [dataset[number] for number in range(len(dataset))]
    return [person for person in persons if person.name in ALONE] or persons


def picture_of(dataset, rng, size=SIZE):
    """Two or three persons of a data set side by side, from a quarter of the picture's height on.

    The picture is made of the surroundings of the persons, on a blurred picture of the data set.

    Args:
        dataset: of stills with one labelled person each.
        rng: source of all choices.
        size: (width, height).

    Returns:
        RGB uint8 (H, W, 3), and the joints (J, 2) of each person in pixels, NaN where not labelled.
    """
    width, height = size
    background = load_image(dataset[int(rng.integers(len(dataset)))].image)
    picture = cv2.GaussianBlur(cv2.resize(background, size), (0, 0), 9)
    count, persons = int(rng.integers(2, 4)), []
    slot = width // count
    for place in range(count):
        cut, joints = _cut_out(dataset[int(rng.integers(len(dataset)))])
        extent = np.nanmax(np.ptp(joints[np.isfinite(joints).all(axis=1)], axis=0))
        share = min(
            rng.uniform(0.25, 0.95) * height / extent,
            slot / cut.shape[1],
            height / cut.shape[0],
        )
        cut = cv2.resize(cut, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        cut = cut[:height, :slot]
        x = place * slot + int(rng.integers(slot - cut.shape[1] + 1))
        y = int(rng.integers(height - cut.shape[0] + 1))
        picture[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
        persons.append((joints + 0.5) * share - 0.5 + [x, y])
    return picture, persons


def _cut_out(sample):
    """The surroundings of a person, and their joints in it."""
    image, joints = load_image(sample.image), np.asarray(sample.joints, float)
    known = joints[np.isfinite(joints).all(axis=1)]
    low, high = known.min(axis=0), known.max(axis=0)
    middle, half = (low + high) / 2, 0.62 * (high - low).max()
    start = np.maximum(0, middle - half).astype(int)
    stop = np.minimum(image.shape[1::-1], middle + half).astype(int)
    return image[start[1] : stop[1], start[0] : stop[0]], joints - start


class Film(NamedTuple):
    """A film of several persons, at `RATE`.

    Attributes:
        images: RGB uint8 (H, W, 3) each.
        joints: (F, N, J, 2) of N persons in pixels, NaN in frames in which they are not seen.
        skeleton: of the joints.
    """

    images: Sequence[np.ndarray]
    joints: np.ndarray
    skeleton: str


def walkers(count: int, way: str, rng: np.random.Generator, *, frames: int = 75) -> Film:
    """Drawn persons of the built-in data set who walk past each other, or side by side.

    Each walks in a lane of their own, at 3 to 5 m from the camera, and is from a third to a half of
    the picture's height. Those who cross pass each other one after the other, and who is nearer
    hides the others.

    Args:
        count: number of persons.
        way: one of `WAYS`.
        rng: source of all choices.
        frames: number of frames, at `RATE`.
    """
    camera = _camera()
    seconds = np.arange(frames) / RATE
    depths = np.linspace(3000, 5000, count)
    order = rng.permutation(count)
    persons = [
        _walker(rng, camera, depths[lane], seconds, _path(count, way, lane, place, depths, rng))
        for place, lane in enumerate(order)
    ]
    joints = np.stack([its for _, _, its in persons], axis=1)
    scenery = surroundings(rng, _DRAWN, camera, 8000.0)
    light = Light(np.array([-0.35, -0.8, -0.48]), float(rng.uniform(0.4, 0.6)))
    persons.sort(key=lambda person: -person[0])
    return Film(_Drawn(frames, scenery, light, persons), joints - [0, _CUT], _SKELETON.name)


class _Drawn(LazyFrames):
    """Frames that are drawn when they are asked for."""

    def __init__(self, count, scenery, light, persons):
        super().__init__(count)
        self._scenery, self._light, self._persons = scenery, light, persons

    def draw(self, index):
        picture = self._scenery.background.astype(np.float32)
        for _, solids, _ in self._persons:  # from far to near
            draw_solids(picture, solids, index, self._light)
        return self._scenery.developed(picture, index)[_CUT:-_CUT]


def _camera():
    """A camera at the height of a head, which looks along y."""
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return Camera(
        focal=np.array([_FOCAL, _FOCAL]) * _DRAWN,
        center=np.full(2, (_DRAWN - 1) / 2),
        rotation=rotation,
        translation=np.array([0, 0, 1150.0]),
    )


def _path(count, way, lane, place, depths, rng):
    """Where a person is in the middle of the film, and how fast they walk, along x: mm, mm/s."""
    reach = depths[lane] / _FOCAL / 2  # from the middle of the picture to its border
    middle = (place - (count - 1) / 2) / count * reach
    if way == "crossing":
        towards = 1 if lane % 2 else -1
        return 0.6 * middle, towards * rng.uniform(0.36, 0.42) * reach
    return 1.6 * middle, 0.06 * reach


def _walker(rng, camera, depth, seconds, path):
    """Depth, solids and joints (F, J, 2) of a person who walks along x."""
    middle, speed = path
    body, look = Body.random(rng), Look.random(rng, rng)
    style = Style.random(rng)
    on_the_spot = (0.0, *style.variants[1:])
    figure, _ = perform("walk", body, Style(1.0, 1.0, style.phase, on_the_spot, False), seconds)
    # Not quite from the side, in which one arm and one leg would hide the others.
    figure = figure.rotated(-np.sign(speed) * 90 + rng.choice([-1, 1]) * rng.uniform(15, 35))
    x = middle + speed * (seconds - seconds.mean())
    figure = figure.moved(np.stack([x, np.full_like(x, depth), np.zeros_like(x)], axis=1))
    points = np.stack([figure.points[name] for name in _SKELETON.joints], axis=1)
    joints = camera.project(camera.to_camera(points))
    return depth, figure_solids(figure, body, look, camera), joints


def clips_side_by_side(clips, predictor: Predictor, *, frames: int = 75) -> Film:
    """Videos side by side, and in each the person whom a predictor follows if there is no other.

    Args:
        clips: paths of the videos.
        predictor: tells where the persons are, each in their own video.
        frames: the most frames; the shortest video ends the film.
    """
    films = [list(islice(read_video(clip), frames)) for clip in clips]
    count = min(map(len, films))
    columns, joints, left = [], [], 0
    for film in films:
        height, width = film[0][0].shape[:2]
        scale = _CLIP_HEIGHT / height
        size = (round(width * scale), _CLIP_HEIGHT)
        images = [cv2.resize(image, size) for image, _ in film[:count]]
        persons = list(predictor.stream(images, fps=RATE))
        joints.append([it.joints + [left, 0] if it.seen else np.nan * it.joints for it in persons])
        columns.append(images)
        left += size[0]
    images = [np.concatenate(row, axis=1) for row in zip(*columns, strict=True)]
    return Film(images, np.stack(joints, axis=1), predictor.skeleton.name)
