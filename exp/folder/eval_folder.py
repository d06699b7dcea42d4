"""Evaluates action heads of your own on a folder of videos.

    python exp/folder/eval_folder.py --data FOLDER --weights runs/mine/best.h5

FOLDER is as for train_folder.py. Prints and writes what exp/pennaction/eval_clips.py does: accuracy
with an interval over groups, the mean of the actions, what a majority guess would get, a confusion
matrix, and a sheet of all videos. Videos are read and followed by the network from the start, as
the demo does.
"""

import sys

from deephar.cli.evaluate import VideoEvaluation

main = VideoEvaluation(doc=__doc__, path="exp/folder/eval_folder.py", kind="folder").main


if __name__ == "__main__":
    sys.exit(main())
