"""A video and two photographs to try things with.

They show a squat, from its start to its end: two photographs, and a video in which they take turns.
They are from the free exercise database (github.com/yuhonas/free-exercise-db), public domain.

>>> VIDEO.name, PICTURE.name, OTHER_PICTURE.name
('squat.mp4', 'squat-down.jpg', 'squat-up.jpg')
"""

from pathlib import Path

_FOLDER = Path(__file__).parent

VIDEO = _FOLDER / "squat.mp4"
"""4 seconds, 5 frames a second, 600 x 400 pixels."""

PICTURE = _FOLDER / "squat-down.jpg"
"""600 x 400 pixels."""

OTHER_PICTURE = _FOLDER / "squat-up.jpg"
"""600 x 400 pixels."""
