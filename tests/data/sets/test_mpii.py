"""MPII in its three forms. The .mat files have the structure of the published ones."""

import json
import time

import numpy as np
import pytest
import scipy.io

from deephar.data import MPII, InputSpec, crop_sample, load_image

OFFICIAL = "mpii_human_pose_v1_u12_1.mat"


def point(build, ids, empty_visibility=()):
    """The points of a person: joint j at (101 + j, 51 + j), counted from 1 as all of MPII."""
    return {
        "point": build.structs(
            [
                {
                    "x": 101.0 + j,
                    "y": 51 + j,  # the file mixes floating-point numbers and integers
                    "id": j,
                    "is_visible": np.empty((0, 0)) if j in empty_visibility else np.array(j % 2),
                }
                for j in ids
            ]
        )
    }


def person(build, ids=range(16), **changes):
    fields = {
        "x1": 1,
        "y1": 2,
        "x2": 31,
        "y2": 42,
        "annopoints": point(build, ids),
        "scale": 2.0,
        "objpos": {"x": 101, "y": 51},
    }
    return {**fields, **changes}


def write_official(build, path, images):
    """`images`: (name, whether for training, list of persons)."""
    annolist = [
        {
            "image": {"name": name},
            "annorect": build.structs(persons) if persons else np.empty((0, 0)),
            "frame_sec": 1,
            "vididx": 1,
        }
        for name, _, persons in images
    ]
    release = {
        "annolist": build.structs(annolist),
        "img_train": np.array([[int(training) for _, training, _ in images]], np.uint8),
        "version": "12",
        "single_person": build.cell(*[np.array([[1]]) for _ in images]).T,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"RELEASE": release})
    for name, _, _ in images:
        build.image(path.parent / "images" / name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_may_begin_with_a_byte_order_mark(encoding, build, tmp_path):
    path = build.mpii_json(tmp_path, "train", [build.record()])
    path.write_text(path.read_text(), encoding=encoding)
    assert len(MPII(tmp_path, "train")) == 1


def test_json_form_gives_samples_counted_from_zero(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record(joints_vis=[0] + [1] * 15)])
    dataset = MPII(tmp_path, "train")
    sample = dataset[0]
    assert len(dataset) == 1
    assert dataset.source.startswith("annot/train.json (HRNet form)")
    assert dataset.source.endswith("head sizes derived from the scale")
    assert "annot/train.json (HRNet form)" in repr(dataset)
    assert (dataset.name, dataset.skeleton, sample.skeleton) == ("mpii", "mpii16", "mpii16")
    assert sample.image == str(tmp_path / "images" / "a.jpg")
    assert np.isnan(sample.joints[0]).all()
    np.testing.assert_allclose(sample.joints[3], (12, 22))
    # Window of the protocol: s = 1.25 scale, 12 s below the position, 200 s wide.
    np.testing.assert_allclose(sample.center, (17, 27 + 12 * 1.25 * 0.125))
    assert sample.side == pytest.approx(200 * 1.25 * 0.125)


def test_json_minus_one_means_unlabelled_but_a_head_may_be_outside(build, tmp_path):
    joints = build.record()["joints"]
    joints[2], joints[9] = [-1, -1], [30.0, -3.5]
    build.mpii_json(tmp_path, "valid", [build.record(joints=joints)])
    sample = MPII(tmp_path, "valid")[0]
    assert np.isnan(sample.joints[2]).all()
    np.testing.assert_allclose(sample.joints[9], (29, -4.5))


def test_json_head_size_is_read_or_follows_from_the_scale(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record(), build.record(headsize=7.5)])
    dataset = MPII(tmp_path)
    assert dataset[0].head_size == 25 * 0.125
    assert dataset[1].head_size == 7.5


def test_json_visibility_comes_from_the_occluded_key(build, tmp_path):
    occluded = [1] + [0] * 15
    vis = [1] * 15 + [0]
    build.mpii_json(
        tmp_path, "train", [build.record(), build.record(occluded=occluded, joints_vis=vis)]
    )
    dataset = MPII(tmp_path)
    assert np.isnan(dataset[0].visible).all()
    np.testing.assert_array_equal(dataset[1].visible, [0] + [1] * 14 + [np.nan])


def test_persons_of_one_image_have_different_names(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record("a.jpg"), build.record("b.jpg")] * 2)
    assert [s.name for s in MPII(tmp_path)] == ["a.jpg#1", "b.jpg#1", "a.jpg#2", "b.jpg#2"]


def test_samples_do_not_share_arrays_with_the_data_set(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record()])
    dataset = MPII(tmp_path)
    dataset[0].joints[:] = 0
    assert (dataset[0].joints > 0).all()


def test_official_form(build, tmp_path):
    write_official(
        build,
        tmp_path / OFFICIAL,
        [
            ("a.jpg", True, [person(build), person(build, ids=[7])]),  # one point is no array
            ("b.jpg", False, [{"scale": 2.0, "objpos": {"x": 11, "y": 12}}]),
            ("c.jpg", True, []),
        ],
    )
    train, test = MPII(tmp_path, "train"), MPII(tmp_path, "test")
    assert train.source == f"{OFFICIAL} (official form)"
    assert [s.name for s in train] == ["a.jpg#1", "a.jpg#2"]
    np.testing.assert_allclose(train[0].joints, np.stack([100, 50] + np.arange(16)[:, None]))
    np.testing.assert_array_equal(train[0].visible, np.arange(16) % 2)
    np.testing.assert_allclose(train[0].center, (100, 50 + 12 * 2.5))
    assert train[0].side == 500
    assert train[0].head_size == pytest.approx(0.6 * 50)
    assert np.isfinite(train[1].joints).all(axis=1).tolist() == [j == 7 for j in range(16)]
    assert [s.name for s in test] == ["b.jpg#1"]
    assert np.isnan(test[0].joints).all()


def test_an_image_without_a_name_is_listed_and_the_others_are_read(build, tmp_path):
    path = tmp_path / OFFICIAL
    write_official(build, path, [("a.jpg", True, [person(build)])] * 2)
    release = scipy.io.loadmat(path, struct_as_record=False, squeeze_me=False)["RELEASE"]
    release[0, 0].annolist[0, 1].image[0, 0].name = np.zeros((0, 0))
    scipy.io.savemat(path, {"RELEASE": release})
    with pytest.raises(ValueError, match="image 2 of annolist has no name"):
        MPII(tmp_path, "train")
    problems = []
    assert len(MPII(tmp_path, "train", problems=problems)) == 1
    assert len(problems) == 1


def test_official_form_skips_persons_without_position_scale_or_joints(build, tmp_path):
    nothing = np.empty((0, 0))
    write_official(
        build,
        tmp_path / "mpii_human_pose_v1_u12_2" / OFFICIAL,
        [
            ("a.jpg", True, [person(build, scale=nothing), person(build, annopoints=nothing)]),
            ("b.jpg", True, [person(build, objpos=nothing)]),
            ("c.jpg", True, [person(build)]),
        ],
    )
    build.image(tmp_path / "images" / "c.jpg")
    assert [sample.name for sample in MPII(tmp_path)] == ["c.jpg#1"]


def test_official_form_with_empty_visibility_and_without_head_box(build, tmp_path):
    incomplete = person(build, annopoints=point(build, [8, 9], empty_visibility=[9]))
    del incomplete["x1"]
    write_official(build, tmp_path / OFFICIAL, [("a.jpg", True, [incomplete])])
    sample = MPII(tmp_path)[0]
    assert sample.visible[8] == 0
    assert np.isnan(sample.visible[9])
    assert sample.head_size == 25 * 2.0


def test_official_form_has_no_validation_split_and_says_where_to_get_one(build, tmp_path):
    write_official(build, tmp_path / OFFICIAL, [("a.jpg", True, [person(build)])])
    with pytest.raises(FileNotFoundError, match=r"valid\.json.*hold_out"):
        MPII(tmp_path, "valid")


def test_official_training_persons_exclude_the_images_of_valid_json(build, tmp_path):
    write_official(
        build,
        tmp_path / OFFICIAL,
        [("a.jpg", True, [person(build)]), ("b.jpg", True, [person(build)])],
    )
    build.mpii_json(tmp_path, "valid", [build.record("a.jpg")])
    assert [sample.name for sample in MPII(tmp_path, "train")] == ["b.jpg#1"]
    assert [sample.name for sample in MPII(tmp_path, "valid")] == ["a.jpg#1"]


def write_authors(build, root, pose_shape=(2, 16), which=2):
    pose = np.stack([100, 50] + np.arange(16)[:, None]).astype(float) + 1
    pose[4] = np.nan
    fields = {
        "head": np.array([[1, 2, 31, 42]]),
        "objpos": np.array([[101, 51]]),
        "scale": 2.0,
        "pose": pose.T.reshape(pose_shape),
    }
    numbers = build.cell(np.array([[1], [2]]), np.array([[which]]))
    images = build.cell("a.jpg", "b.jpg")
    persons = build.cell(build.cell(fields, fields).T, build.cell(fields, fields).T)
    train = np.concatenate([numbers, images, persons])
    scipy.io.savemat(root / "annotations.mat", {"annot_tr": train, "annot_val": train[:, :1]})
    for name in ("a.jpg", "b.jpg"):
        build.image(root / "images" / name)


def test_form_of_the_authors(build, tmp_path):
    write_authors(build, tmp_path)
    train, valid = MPII(tmp_path, "train"), MPII(tmp_path, "valid")
    assert train.source == "annotations.mat (form of the network's authors)"
    assert [s.name for s in train] == ["a.jpg#1", "a.jpg#2", "b.jpg#1"]
    assert [s.name for s in valid] == ["a.jpg#1", "a.jpg#2"]
    np.testing.assert_allclose(train[2].joints[3], (103, 53))
    assert np.isnan(train[2].joints[4]).all()
    assert np.isnan(train[2].visible).all()
    np.testing.assert_allclose(train[2].center, (100, 50 + 12 * 2.5))
    assert train[2].head_size == pytest.approx(0.6 * 50)


def test_authors_person_that_does_not_exist_is_named(build, tmp_path):
    write_authors(build, tmp_path, which=3)
    with pytest.raises(ValueError, match=r"annotations\.mat: person 3 of image b\.jpg"):
        MPII(tmp_path)


def test_authors_pose_of_wrong_length_is_named(build, tmp_path):
    write_authors(build, tmp_path, pose_shape=(4, 8))
    with pytest.raises(ValueError, match=r"person 1 of image a\.jpg has pose \(4, 8\)"):
        MPII(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder.*README"):
        MPII(tmp_path / "nowhere")


def test_missing_images_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="images"):
        MPII(tmp_path)


def test_missing_annotation_lists_what_is_expected(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"train\.json, annotations\.mat, {OFFICIAL}"):
        MPII(tmp_path)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="train, valid, test"):
        MPII(tmp_path, "val")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"images": [], "annotations": []}, "list with a dict for each person"),
        ([[1, 2]], "list with a dict for each person"),
        ([{"image": "a.jpg", "keypoints": []}], "person 0 lacks center, joints"),
        ([], "no person"),
    ],
)
def test_json_of_another_format(build, tmp_path, records, message):
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "train.json").write_text(json.dumps(records))
    with pytest.raises(ValueError, match=rf"train\.json.*{message}"):
        MPII(tmp_path)


def test_cut_off_json(build, tmp_path):
    path = build.mpii_json(tmp_path, "train", [build.record()])
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match=r"train\.json is not valid JSON"):
        MPII(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"joints": [[1.0, 2.0]] * 15},
        {"joints": [[1.0, 2.0]] * 15 + [[1.0]]},
        {"joints": "none"},
        {"joints_vis": [1] * 17},
        {"center": [1.0]},
    ],
)
def test_json_lists_of_wrong_length_name_file_and_person(build, tmp_path, changes):
    build.mpii_json(tmp_path, "train", [build.record(), build.record("b.jpg", **changes)])
    with pytest.raises(ValueError, match=r"train\.json: person 1 \(image b\.jpg\)"):
        MPII(tmp_path)


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_scale_that_is_not_positive_names_file_and_person(build, tmp_path, scale):
    build.mpii_json(tmp_path, "train", [build.record(), build.record("b.jpg", scale=scale)])
    with pytest.raises(ValueError, match=r"train\.json: person 1 \(image b\.jpg\) has the scale"):
        MPII(tmp_path)


def test_mat_files_of_another_format(build, tmp_path):
    (tmp_path / "images").mkdir()
    path = tmp_path / OFFICIAL
    scipy.io.savemat(path, {"joints": np.zeros(3)})
    with pytest.raises(ValueError, match=f"{OFFICIAL} holds no variable 'RELEASE'"):
        MPII(tmp_path)
    scipy.io.savemat(path, {"RELEASE": {"other": 1}})
    with pytest.raises(ValueError, match=f"{OFFICIAL}: RELEASE lacks"):
        MPII(tmp_path)
    path.write_bytes(b"this is no MATLAB file, but long enough to look at" * 10)
    with pytest.raises(ValueError, match=f"{OFFICIAL} cannot be read as a MATLAB file"):
        MPII(tmp_path)
    scipy.io.savemat(tmp_path / "annotations.mat", {"annot_tr": np.zeros((2, 4))})
    with pytest.raises(ValueError, match=r"annotations\.mat: annot_tr must be a cell array"):
        MPII(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_mat_file(build, tmp_path, compressed):
    path = tmp_path / OFFICIAL
    write_official(build, path, [("a.jpg", True, [person(build)])] * 3)
    release = scipy.io.loadmat(path)["RELEASE"]
    scipy.io.savemat(path, {"RELEASE": release}, do_compression=compressed)
    content = path.read_bytes()
    for length in (0, 60, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=f"{OFFICIAL} cannot be read as a MATLAB file"):
            MPII(tmp_path)


def test_damaged_mat_file(build, tmp_path):
    path = tmp_path / OFFICIAL
    write_official(build, path, [("a.jpg", True, [person(build)])])
    release = scipy.io.loadmat(path)["RELEASE"]
    scipy.io.savemat(path, {"RELEASE": release}, do_compression=True)
    content = bytearray(path.read_bytes())
    content[200:210] = b"0123456789"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{OFFICIAL} cannot be read as a MATLAB file"):
        MPII(tmp_path)


def test_missing_image_is_named_when_it_is_loaded(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record()])
    dataset = MPII(tmp_path)
    (tmp_path / "images" / "a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.jpg does not exist.*deephar check"):
        crop_sample(dataset[0], InputSpec(32))


def test_index_outside_of_the_data_set(build, tmp_path):
    build.mpii_json(tmp_path, "train", [build.record()])
    with pytest.raises(IndexError):
        MPII(tmp_path)[1]


def test_real_annotation_is_read_quickly_and_completely(real_data):
    start = time.process_time()
    train = MPII(real_data / "MPII", "train")
    assert time.process_time() - start < 1
    valid = MPII(real_data / "MPII", "valid")
    assert (len(train), len(valid)) == (1287, 133)
    labelled = [sum(np.isfinite(s.joints).all(axis=1).sum() for s in d) for d in (train, valid)]
    assert labelled == [19935, 2043]
    # Known: the head size is 25 x scale, and the window 250 x scale.
    ratios = [sample.side / sample.head_size for sample in valid]
    np.testing.assert_allclose(ratios, 10, rtol=1e-3)
    assert len({sample.name for sample in valid}) == 133


def test_five_full_size_pictures_have_their_persons_in_the_window(real_data, tmp_path):
    (tmp_path / "annot").mkdir()
    source = real_data / "samples" / "mpii"
    (tmp_path / "annot" / "valid.json").write_text((source / "test_mpii.json").read_text())
    (tmp_path / "images").symlink_to(source)
    for sample in MPII(tmp_path, "valid"):
        target = crop_sample(sample, InputSpec(128, "mpii16")).target
        labelled = np.isfinite(sample.joints).all(axis=1)
        assert target[labelled, 2].mean() > 0.8


def test_the_real_sample_in_the_form_of_hrnet_is_read(real_data, tmp_path):
    folder = real_data / "samples" / "mpii"
    (tmp_path / "annot").mkdir()
    (tmp_path / "images").symlink_to(folder)
    (tmp_path / "annot" / "valid.json").write_text((folder / "test_mpii.json").read_text())
    dataset = MPII(tmp_path, split="valid")
    assert len(dataset) == 5
    for sample in dataset:
        height, width = load_image(sample.image).shape[:2]
        assert (sample.joints[np.isfinite(sample.joints).all(axis=1)] < (width, height)).all()
