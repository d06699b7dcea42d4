"""Keypoints in the form of COCO: what tools write, real samples, and what cannot be used."""

import json

import cv2
import numpy as np
import pytest

from deephar.data import CocoKeypoints
from deephar.data.sets.by_name import open_dataset
from deephar.skeletons import get_skeleton

CAT = {"id": 3, "name": "cat", "keypoints": ["Nose", "Left Ear", "Right Ear"], "skeleton": [[1, 2]]}


def person(number, keypoints=(20, 12, 2, 14, 8, 1, 0, 0, 0), **fields):
    return {
        "id": number,
        "image_id": 7,
        "category_id": 3,
        "keypoints": list(keypoints),
        "bbox": [10, 4, 20, 16],
        "area": 200.0,
        "iscrowd": 0,
        **fields,
    }


@pytest.fixture
def write(tmp_path):
    """Writes an annotation of one picture, cat.jpg; returns the arguments of the data set."""

    def written(*annotations, category=CAT, file_name="cat.jpg", images="images"):
        (tmp_path / images).mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(tmp_path / images / "cat.jpg"), np.zeros((30, 40, 3), np.uint8))
        content = {
            "images": [{"id": 7, "file_name": file_name, "width": 40, "height": 30}],
            "categories": [{"id": 1, "name": "box"}, category],
            "annotations": list(annotations),
        }
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(content))
        return tmp_path / images, path

    return written


def test_a_person_is_read(write):
    dataset = CocoKeypoints(*write(person(1), person(2, category_id=1)))
    assert dataset.names() == ["cat.jpg#1"]
    assert dataset.skeleton.joints == ("nose", "left_ear", "right_ear")
    assert [limb.end for limb in dataset.skeleton.limbs] == ["left_ear"]
    np.testing.assert_allclose(dataset.sigmas, [0.026, 0.035, 0.035])
    sample = dataset[0]
    np.testing.assert_array_equal(sample.joints, [[20, 12], [14, 8], [np.nan, np.nan]])
    np.testing.assert_array_equal(sample.visible, [1, 0, np.nan])
    np.testing.assert_array_equal(sample.center, [20, 12])
    assert sample.side == 25
    assert dataset.annotation(0)["num_keypoints"] == 2
    assert "1 persons with 3 joints (cat) from labels.json" in repr(dataset)


def test_crowds_and_unlabelled_persons_are_left_out_and_counted(write):
    dataset = CocoKeypoints(
        *write(
            person(1),
            person(2, iscrowd=1, bbox=[0, 0, 40, 30]),
            person(3, [0] * 9, bbox=[0, 0, 0, 0]),
            person(4) | {"keypoints": None},
        )
    )
    assert len(dataset) == 1
    assert [a["id"] for a in dataset.left_out] == [2, 3, 4]
    assert "1 crowd regions and 2 without labelled joints left out" in dataset.source


def test_without_a_box_or_an_area_those_of_the_joints_and_the_box_are_taken(write):
    annotation = person(1)
    del annotation["bbox"], annotation["area"]
    dataset = CocoKeypoints(*write(annotation))
    assert dataset.annotation(0)["bbox"] == [14, 8, 6, 4]
    assert dataset.annotation(0)["area"] == pytest.approx(0.53 * 24)


@pytest.mark.parametrize("file_name", ["sub/cat.jpg", r"export\3\cat.jpg"])
def test_pictures_are_found_by_name_if_the_folder_is_another(write, file_name):
    assert CocoKeypoints(*write(person(1), file_name=file_name))[0].image.endswith("images/cat.jpg")


def test_lines_may_count_from_0_and_those_of_other_joints_are_left_out(write):
    dataset = CocoKeypoints(*write(person(1), category={**CAT, "skeleton": [[0, 2]]}))
    assert dataset.skeleton.limbs[0].end == "right_ear"
    dataset = CocoKeypoints(*write(person(1), category={**CAT, "skeleton": [[1, 2], [1, 9]]}))
    assert dataset.skeleton.limbs == ()
    assert "is no list of pairs of its 3 joints" in dataset.notes[0]


def test_pairs_and_spreads_may_be_given(write):
    category = {**CAT, "keypoints": ["a", "b", "c"], "sigmas": [0.1, 0.2, 0.3]}
    paths = write(person(1), category=category)
    dataset = CocoKeypoints(*paths, flip_pairs=[["a", "c"]])
    assert dataset.skeleton.flip.tolist() == [2, 1, 0]
    assert dataset.sigmas.tolist() == [0.1, 0.2, 0.3]
    assert CocoKeypoints(*paths, flip_pairs=[]).skeleton.flip.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("annotation", "images", "split"),
    [
        ("annotations/person_keypoints_train2017.json", "train2017", "train"),  # COCO
        ("annotations/person_keypoints_default.json", "images/default", "all"),  # CVAT
        ("valid/_annotations.coco.json", "valid", "valid"),  # Roboflow
        ("result.json", "images", "all"),  # Label Studio
        ("mine.json", ".", "all"),
    ],
)
def test_the_folders_of_the_tools_are_known(write, tmp_path, annotation, images, split):
    _, path = write(person(1), images=images)
    (tmp_path / annotation).parent.mkdir(exist_ok=True)
    path.rename(tmp_path / annotation)
    dataset = CocoKeypoints.find(tmp_path, split)
    assert dataset.path == tmp_path / annotation
    assert dataset[0].image.endswith("cat.jpg")
    assert len(CocoKeypoints.find(tmp_path / annotation)) == 1
    # A single file is all there is to train on.
    if split in ("train", "all"):
        assert len(open_dataset("coco", str(tmp_path))) == 1
    with pytest.raises(FileNotFoundError, match="no COCO annotation of the split 'test'"):
        open_dataset("coco", str(tmp_path), split="test")


def without(key):
    return {name: value for name, value in CAT.items() if name != key}


@pytest.mark.parametrize(
    ("annotations", "category", "message"),
    [
        ([person(5, [1, 1, 2])], CAT, r"annotation 5 has 3 values in keypoints, expected 9: .*cat"),
        ([person(5, ["x"] * 9)], CAT, "annotation 5 has keypoints that are no numbers"),
        ([person(5, image_id=8)], CAT, "of the image 8, which is not among the images"),
        ([person(5, bbox=[10, 4, 0, 16])], CAT, "annotation 5 has a box of zero area"),
        ([person(5, bbox=[10, 4])], CAT, r"has the bbox \[10, 4\], expected x, y, width"),
        ([person(5, iscrowd=1)], CAT, "no labelled person of .*'cat' .1 crowd regions and 0"),
        ([], CAT, "holds no labelled person"),
        ([person(5)], {**CAT, "keypoints": ["nose", "ear", "Ear"]}, "the joint 'ear' twice"),
        ([person(5)], {**CAT, "keypoints": ["1", "2", "3"]}, "No joint of 'cat' has a side"),
        ([person(5)], {**CAT, "sigmas": [0.1]}, r"has the sigmas \[0.1\], expected 3 positive"),
        ([person(5)], without("keypoints"), "no category with keypoints"),
    ],
)
def test_labels_that_cannot_be_used_are_named(write, annotations, category, message):
    paths = write(*annotations, category=category)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        CocoKeypoints(*paths)


def test_a_missing_picture_is_named(write):
    images, path = write(person(1), file_name="dog.jpg")
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of 1 pictures .*first dog\.jpg"):
        CocoKeypoints(images, path)


@pytest.mark.parametrize("lines", [[3, 4], [["a", "b"]], [[1, 2, 3]], "1-2", [None]])
def test_lines_of_another_form_are_left_out_and_told(write, lines):
    dataset = CocoKeypoints(*write(person(1), category={**CAT, "skeleton": lines}))
    assert dataset.skeleton.limbs == ()
    assert "is no list of pairs of its 3 joints" in dataset.notes[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}'])
def test_a_file_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=r"labels\.json is not (valid JSON|a COCO keypoint file)"):
        CocoKeypoints(tmp_path, tmp_path / "labels.json")


def test_a_category_is_asked_for_if_there_are_several(write):
    images, path = write(person(1))
    content = json.loads(path.read_text())
    content["categories"][0] |= {"keypoints": ["left_paw", "right_paw"]}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"several categories\. Give one of 'box', 'cat'"):
        CocoKeypoints(images, path)
    assert len(CocoKeypoints(images, path, category="cat")) == 1


@pytest.mark.parametrize(
    ("name", "persons", "joints"), [("coco", 12, 17), ("crowdpose", 4, 14), ("ochuman", 5, 17)]
)
def test_real_annotations_are_read(real_data, name, persons, joints):
    folder = real_data / "samples" / name
    dataset = CocoKeypoints(folder, folder / f"test_{name}.json")
    assert len(dataset) == persons
    assert get_skeleton(dataset.skeleton).num_joints == joints
    assert (dataset.skeleton == "coco17") == (joints == 17)
    for sample in dataset:
        assert cv2.imread(sample.image) is not None
        away = np.abs(sample.joints - sample.center).max(axis=1)
        assert np.nanmean(away <= sample.side / 2) > 0.3
        assert np.nanmax(away) < sample.side
