"""Scores the depth of poses on real pictures: by 3D labels, and by which limb is hidden.

    python exp/h36m/eval_frames.py --weights runs/light-3d/stage2/best.h5 --h36m h36m_body3d.npz

Frames and labels are in the form of MMPose: `imgname`, `part` (pixels) and `S` (metres) of 17
joints, the pictures beside the npz file; --h36m in the order of Human3.6M, --mpi-inf in that of
MPI-INF-3DHP. The poses are compared by the P-MPJPE with two others: the mean pose of `DrawnPoses`,
and the network's own x and y with the depths of a lifting network (`deephar.training.lifting`).

Of pictures without 3D labels (--mpii, --lsp): of two limbs of which one is labelled as hidden, how
often the hidden one is deeper. Writes sheet.png: pictures with poses, from the front and the side.
The lifting network learns first, which takes three minutes.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from deephar import metrics, visualize, weights
from deephar.camera import Camera
from deephar.cli.options import script_parser
from deephar.data import LSP, MPII, Sample, Subset
from deephar.data.images import load_image
from deephar.data.synthetic.body import SIDES, Body
from deephar.data.synthetic.poses import DrawnPoses
from deephar.data.targets import DEPTH_RANGE, depth_mm
from deephar.errors import reporting_errors
from deephar.evaluation.pose import poses_relative_to_root
from deephar.evaluation.tables import table_lines
from deephar.geometry import square_window
from deephar.inference import predict_poses
from deephar.skeletons import convert, get_skeleton
from deephar.training.lifting import lift, train_lifting

SKELETON = get_skeleton("pa16j")
# "-" is a point that the skeleton lacks, or has at another place.
LAYOUTS = {
    "h36m": "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle - thorax - "
    "head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    "mpi_inf": "head_top thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle pelvis - -",
}
PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMBS = (("hip", "knee", "thigh"), ("knee", "ankle", "shank"), ("shoulder", "elbow", "upper_arm"))
SHOWN = 24  # pictures of the sheet


class LabelledFrames:
    """Frames with 17 joints in pixels and in metres, in the form of MMPose, as a data set.

    Args:
        path: the npz file; the pictures are in its folder.
        layout: one of `LAYOUTS`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has other arrays.
    """

    name, skeleton = "frames", SKELETON.name

    def __init__(self, path: str | Path, layout: str):
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist. Give the npz file of the labels.")
        with np.load(path) as file:
            if missing := {"imgname", "part", "S"} - set(file.files):
                raise ValueError(
                    f"{path} has no array {', '.join(sorted(missing))}. It must be in the form of "
                    "MMPose, with imgname, part and S."
                )
            names, parts, points = file["imgname"], file["part"], file["S"]
        self._samples = [
            _sample(Path(path).parent / str(name), part, space, layout)
            for name, part, space in zip(names, parts, points, strict=True)
        ]

    def __len__(self):
        return len(self._samples)

    def __getitem__(self, index):
        return self._samples[index]


def _sample(image, part, space, layout):
    if not image.is_file():
        raise FileNotFoundError(f"{image} is missing. Put the pictures beside the labels.")
    names = LAYOUTS[layout].split()
    joints = np.full((SKELETON.num_joints, 2), np.nan)
    joints_3d = np.full((SKELETON.num_joints, 3), np.nan)
    for number, name in enumerate(names):
        if name != "-":
            joints[SKELETON.index(name)] = part[number, :2]
            joints_3d[SKELETON.index(name)] = 1000 * space[number, :3]
    known = np.isfinite(joints).all(axis=1)
    box = np.concatenate([joints[known].min(axis=0), joints[known].max(axis=0)])
    center, side = square_window(box, 1.5)
    return Sample(
        image=str(image),
        joints=joints,
        visible=known.astype(float),
        skeleton=SKELETON.name,
        center=center,
        side=side,
        head_size=float("nan"),
        name=image.name,
        joints_3d=joints_3d,
        camera=_camera(joints[known], joints_3d[known]),
    )


def _camera(joints, joints_3d):
    """The camera, from points in pixels and in space; the files of the labels do not hold it."""
    slopes = joints_3d[:, :2] / joints_3d[:, 2:]
    fits = [np.polyfit(slopes[:, axis], joints[:, axis], 1) for axis in range(2)]
    return Camera(*np.array(fits).T)


class _Compared:
    """Predictions of a network, and the same with the depths of a lifting network."""

    def __init__(self, model, config, dataset, lifting):
        self.dataset = dataset
        network = predict_poses(model, config, dataset)
        self.network = dataclasses.replace(
            network,
            **{
                name: getattr(network, name)[-1:]
                for name in ("joints", "visibility", "depth")
                if getattr(network, name) is not None
            },
        )
        joints = convert(self.network.joints[0], config.skeleton, SKELETON)
        depth = convert(lift(lifting, joints)[..., None], SKELETON, config.skeleton)[None, ..., 0]
        self.lifted = dataclasses.replace(self.network, depth=depth / DEPTH_RANGE + 0.5)

    def each(self):
        """Pairs of a title and predictions."""
        yield "lifting network, x and y of the network", self.lifted
        if self.network.depth is not None:
            yield "the network", self.network


def _mean_pose():
    drawn = DrawnPoses("train", 300, image_size=32)
    poses = np.stack([drawn[index].joints_3d for index in range(len(drawn))])
    return (poses - poses[:, :1]).mean(axis=0)


def _errors(compared):
    """Rows: P-MPJPE of the mean pose, the lifting network and the network."""
    rows = []
    for title, predictions in compared.each():
        found, true, _ = poses_relative_to_root(predictions, compared.dataset)
        rows.append((title, found[-1]))
    rows.insert(0, ("the mean pose", np.broadcast_to(_mean_pose(), true.shape)))
    return [[title, f"{metrics.p_mpjpe(found, true).total:.1f} mm"] for title, found in rows]


def _order(compared):
    """Rows: how often the hidden one of two limbs is deeper."""
    visible = np.stack(
        [
            convert(sample.visible[:, None], sample.skeleton, SKELETON)[:, 0]
            for sample in (compared.dataset[index] for index in range(len(compared.dataset)))
        ]
    )
    right, left = (
        [SKELETON.index(f"{side}_{name}") for name in PAIRS] for side in ("right", "left")
    )
    one_hidden = visible[:, right] + visible[:, left] == 1
    rows = []
    for title, predictions in compared.each():
        depth = depth_mm(convert(predictions.depth[0, ..., None], predictions.skeleton, SKELETON))
        difference = (depth[:, right] - depth[:, left])[..., 0]
        deeper = np.where(visible[:, right] == 0, difference, -difference)[one_hidden] > 0
        share = f"{100 * deeper.mean():.1f} % of " if deeper.size else ""
        rows.append([title, f"{share}{deeper.size} pairs"])
    return rows


def _pictures(compared, count):
    """Pictures with the pose, and the pose from the front and from the side."""
    predictions = dict(compared.each()).get("the network", compared.lifted)
    for index in np.linspace(0, len(compared.dataset) - 1, min(count, len(compared.dataset))):
        sample = compared.dataset[int(index)]
        joints = predictions.joints[0, int(index)]
        depth = depth_mm(predictions.depth[0, int(index)])
        picture = visualize.draw_skeleton(load_image(sample.image), joints, predictions.skeleton)
        low = np.maximum(sample.center - sample.side / 2, 0).astype(int)
        high = (sample.center + sample.side / 2).astype(int)
        scale = _mm_per_pixel(joints, predictions.skeleton)
        space = np.concatenate([joints * scale, depth[:, None]], axis=1)
        yield picture[low[1] : high[1], low[0] : high[0]]
        yield visualize.draw_views(space, predictions.skeleton, metric=False)


def _mm_per_pixel(joints, skeleton):
    """From the limb that is the least foreshortened: it is as long as that of an average person."""
    body = Body.average().lengths
    points = dict(zip(SKELETON.joints, convert(joints, skeleton, SKELETON), strict=True))
    ratios = [
        body[limb] / max(np.linalg.norm(points[f"{side}_{end}"] - points[f"{side}_{start}"]), 1)
        for side in SIDES
        for start, end, limb in LIMBS
    ]
    return min(ratios)


@reporting_errors
def main(argv=None):
    """Prints the scores and writes the sheet; returns the exit status (2 for a user's mistake)."""
    args = _parse(argv)
    model, config = weights.load_model(args.weights)
    frames = {
        path: LabelledFrames(path, layout)
        for layout in LAYOUTS
        for path in getattr(args, layout) or ()
    }
    pictures = {}
    if args.mpii:
        pictures["MPII"] = MPII(args.mpii, "valid")
    if args.lsp:
        pictures["LSP"] = LSP(args.lsp, "test")
    if not frames and not pictures:
        raise ValueError("There is nothing to score. Give --h36m, --mpi-inf, --mpii or --lsp.")
    lifting = train_lifting()
    shown = []
    for path, dataset in frames.items():
        compared = _Compared(model, config, dataset, lifting)
        print("\n".join(table_lines([path, "P-MPJPE"], _errors(compared))), flush=True)
        shown += _pictures(compared, SHOWN)
    for name, dataset in pictures.items():
        part = Subset(dataset, range(min(args.limit or len(dataset), len(dataset))))
        compared = _Compared(model, config, part, lifting)
        print("\n".join(table_lines([name, "hidden one deeper"], _order(compared))), flush=True)
        shown += _pictures(compared, SHOWN)
    if args.out:
        Path(args.out).mkdir(parents=True, exist_ok=True)
        path = Path(args.out) / "sheet.png"
        visualize.contact_sheet(shown, columns=8).savefig(path)
        print(f"wrote {path}")


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/")
    parser.add_argument("--h36m", nargs="+", metavar="NPZ", help="labelled frames of Human3.6M")
    parser.add_argument("--mpi-inf", nargs="+", metavar="NPZ", help="of MPI-INF-3DHP")
    parser.add_argument("--mpii", metavar="FOLDER", help="validation persons of MPII")
    parser.add_argument("--lsp", metavar="FOLDER", help="test persons of LSP")
    parser.add_argument("--limit", type=int, metavar="N", help="first N persons of these")
    parser.add_argument("--out", metavar="FOLDER", help="folder of sheet.png")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
