"""Scripts for keypoints of your own, from the command line to a network that knows its joints."""

import json

import cv2
import numpy as np
import pytest

from deephar import Predictor, weights
from deephar.models import VARIANTS, build_model

pytestmark = pytest.mark.usefixtures("module_op_by_op")

QUICK = "--stem-weights none --freeze-stem 5 --epochs 1 --steps 1 --validation 0.2".split()


@pytest.fixture(scope="module")
def cats(tmp_path_factory):
    """A folder as Label Studio exports it: 12 pictures of a cat each."""
    folder = tmp_path_factory.mktemp("cats")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(12):
        name = f"images\\{number:02d}.png"
        picture = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), picture)
        images.append({"id": number, "file_name": name, "width": 80, "height": 60})
        points = np.column_stack([rng.uniform(15, 55, (4, 2)), [2, 2, 1, 2]])
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 0,
                "keypoints": points.ravel().tolist(),
                "bbox": [10, 10, 50, 48],
            }
        )
    joints = ["Nose", "Left Elbow", "Right Elbow", "Tail"]
    category = {"id": 0, "name": "cat", "keypoints": joints, "skeleton": [[1, 4], [1, 2]]}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "result.json").write_text(json.dumps(content))
    return folder


def test_joints_of_your_own_are_trained_evaluated_and_known(cats, tmp_path, capsys, run):
    config = VARIANTS["vgg16-light-64"]
    weights.save(build_model(config), config, tmp_path / "start.h5")
    out = tmp_path / "run"
    arguments = ["--data", cats, "--weights", tmp_path / "start.h5", "--out", out, *QUICK]
    arguments = [value for value in arguments if value not in ("--freeze-stem", "5")]
    arguments += ["--shares", "coco=2"]
    assert run("coco/train_coco.py", *arguments) == 0
    said = capsys.readouterr().out
    assert "for left_elbow, right_elbow; at random for nose, tail" in said
    assert run("coco/train_coco.py", *arguments, "--resume") == 0

    predictor = Predictor(out / "best.h5")
    assert predictor.skeleton.joints == ("nose", "left_elbow", "right_elbow", "tail")
    assert predictor.skeleton.flip.tolist() == [0, 2, 1, 3]
    assert json.loads((out / "recipe.json").read_text())["network"]["skeleton"]["name"] == "cat"

    scores = ["--data", cats, "--split", "all", "--weights", out / "best.h5"]
    scores += ["--out", tmp_path / "eval", "--save-predictions", tmp_path / "p.json"]
    assert run("coco/eval_coco.py", *scores) == 0
    assert "COCO, in the true boxes: AP" in capsys.readouterr().out
    results = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert results["protocol"]["skeleton"] == "cat"
    assert results["score"]["joints"] == 48
    assert 0 <= results["keypoints"]["ap"] <= 100
    assert len(json.loads((tmp_path / "p.json").read_text())) == 12
    assert (tmp_path / "eval" / "persons.png").exists()


def test_weights_of_other_joints_and_other_mistakes_are_named(cats, tmp_path, capsys, run):
    scores = ["--data", cats, "--out", tmp_path / "eval", "--weights", "vgg16-light"]
    assert run("coco/eval_coco.py", *scores) == 2
    assert "no COCO annotation of the split 'valid'" in capsys.readouterr().err
    assert run("coco/eval_coco.py", *scores, "--split", "all") == 2
    assert "'pa16j', which lacks nose, tail of Skeleton('cat', 4" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("coco/train_coco.py", "--out", tmp_path / "run", "--flip-pairs", "a,b")
    assert "expected NAME:NAME" in capsys.readouterr().err
    flip = ["--data", cats, "--out", tmp_path / "run", "--flip-pairs", "Nose:Mouth"]
    assert run("coco/train_coco.py", *flip) == 2
    assert "names the joint 'Mouth'" in capsys.readouterr().err
