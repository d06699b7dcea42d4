"""Joint layouts: tables, flips, limbs, and maps against the published index lists."""

import dataclasses
import json

import numpy as np
import pytest

from deephar.skeletons import (
    CENTRE_COLOUR,
    LEFT_COLOUR,
    RIGHT_COLOUR,
    SKELETONS,
    Skeleton,
    convert,
    get_skeleton,
    joint_map,
    mirrored,
    reference,
    skeleton_of,
)

ALL = sorted(SKELETONS)
JOINTS = {
    "pa16j": 16,
    "pa17j": 17,
    "pa20j": 20,
    "mpii16": 16,
    "lsp14": 14,
    "penn13": 13,
    "coco17": 17,
    "mediapipe33": 33,
    "h36m17": 17,
    "h36m32": 32,
    "ntu25": 25,
}


def numbered(skeleton):
    """A pose (joints, 2) in which each joint carries its own number."""
    return np.repeat(np.arange(get_skeleton(skeleton).num_joints, dtype=float)[:, None], 2, axis=1)


def test_all_skeletons_have_their_number_of_joints():
    assert {name: skeleton.num_joints for name, skeleton in SKELETONS.items()} == JOINTS


@pytest.mark.parametrize("name", ALL)
def test_flip_is_its_own_inverse_and_swaps_exactly_the_sides(name):
    skeleton = get_skeleton(name)
    assert skeleton.flip.dtype.kind == "i"
    np.testing.assert_array_equal(skeleton.flip[skeleton.flip], np.arange(skeleton.num_joints))
    for joint, partner in zip(skeleton.joints, skeleton.flip, strict=True):
        assert skeleton.joints[partner] == mirrored(joint)
        assert (skeleton.joints[partner] != joint) == joint.startswith(("left_", "right_"))


@pytest.mark.parametrize("name", ALL)
def test_limbs_are_symmetric_unique_and_coloured_by_side(name):
    skeleton = get_skeleton(name)
    pairs = [frozenset((limb.start, limb.end)) for limb in skeleton.limbs]
    assert len(set(pairs)) == len(pairs)
    assert {frozenset(map(mirrored, pair)) for pair in pairs} == set(pairs)
    swapped = {RIGHT_COLOUR: LEFT_COLOUR, LEFT_COLOUR: RIGHT_COLOUR, CENTRE_COLOUR: CENTRE_COLOUR}
    colours = dict(zip(pairs, (limb.colour for limb in skeleton.limbs), strict=True))
    for pair, colour in colours.items():
        assert colours[frozenset(map(mirrored, pair))] == swapped[colour]
    assert colours[frozenset(("left_elbow", "left_wrist"))] == LEFT_COLOUR


@pytest.mark.parametrize("name", [name for name in ALL if name != "h36m32"])
def test_limbs_connect_all_joints(name):  # h36m32 has joints that hang nowhere
    skeleton = get_skeleton(name)
    reached = {skeleton.limbs[0].start}
    for _ in skeleton.limbs:
        for limb in skeleton.limbs:
            if reached & {limb.start, limb.end}:
                reached |= {limb.start, limb.end}
    assert reached == set(skeleton.joints)


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_round_trip_returns_every_shared_joint(source, target):
    pose = numbered(source)
    back = convert(convert(pose, source, target), target, source)
    shared = np.isin(get_skeleton(source).joints, get_skeleton(target).joints)
    np.testing.assert_array_equal(back[shared], pose[shared])
    assert np.isnan(back[~shared]).all()


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_flip_commutes_with_conversion(source, target):
    source, target = get_skeleton(source), get_skeleton(target)
    pose = numbered(source)
    np.testing.assert_array_equal(
        convert(pose[source.flip], source, target), convert(pose, source, target)[target.flip]
    )


def test_mpii_groups_hold_each_pair_once():
    assert list(get_skeleton("mpii16").groups.items()) == [
        ("Head", ("neck", "head_top")),
        ("Shoulder", ("right_shoulder", "left_shoulder")),
        ("Elbow", ("right_elbow", "left_elbow")),
        ("Wrist", ("right_wrist", "left_wrist")),
        ("Hip", ("right_hip", "left_hip")),
        ("Knee", ("right_knee", "left_knee")),
        ("Ankle", ("right_ankle", "left_ankle")),
    ]
    assert get_skeleton("penn13").groups["Head"] == ("head_top",)


# (list in the reference, source, target): pose_target = pose_source[list]
REFERENCE_MAPS = [
    ("pa16j2d.map_from_mpii", "mpii16", "pa16j"),
    ("pa16j2d.map_to_mpii", "pa16j", "mpii16"),
    ("pa16j2d.map_to_lsp", "pa16j", "lsp14"),
    ("pa16j2d.map_to_pa13j", "pa16j", "penn13"),
    ("pa16j2d.map_from_ntu", "ntu25", "pa16j"),
    ("pa16j3d.map_from_mpii", "mpii16", "pa16j"),
    ("pa16j3d.map_to_mpii", "pa16j", "mpii16"),
    ("pa16j3d.map_to_lsp", "pa16j", "lsp14"),
    ("pa16j3d.map_to_pa13j", "pa16j", "penn13"),
    ("pa16j3d.map_from_ntu", "ntu25", "pa16j"),
    ("pa17j2d.map_from_h36m", "h36m32", "pa17j"),
    ("pa17j2d.map_from_ntu", "ntu25", "pa17j"),
    ("pa17j2d.map_to_mpii", "pa17j", "mpii16"),
    ("pa17j2d.map_to_pa13j", "pa17j", "penn13"),
    ("pa17j2d.map_to_pa16j", "pa17j", "pa16j"),
    ("pa17j3d.map_from_h36m", "h36m32", "pa17j"),
    ("pa17j3d.map_from_ntu", "ntu25", "pa17j"),
    ("pa17j3d.map_to_mpii", "pa17j", "mpii16"),
    ("pa17j3d.map_to_pa13j", "pa17j", "penn13"),
    ("pa17j3d.map_to_pa16j", "pa17j", "pa16j"),
    ("pa20j3d.map_from_h36m", "h36m32", "pa20j"),
    ("pa20j3d.map_from_ntu", "ntu25", "pa20j"),
    ("pa20j3d.map_to_mpii", "pa20j", "mpii16"),
    ("pa20j3d.map_to_pa13j", "pa20j", "penn13"),
    ("pa20j3d.map_to_pa16j", "pa20j", "pa16j"),
]


@pytest.mark.parametrize(("key", "source", "target"), REFERENCE_MAPS)
def test_conversion_is_the_reference_index_list(golden, key, source, target):
    indices = golden("fn_pose_layouts")[key]
    np.testing.assert_array_equal(joint_map(source, target), indices)
    pose = np.random.default_rng(0).normal(size=(2, get_skeleton(source).num_joints, 3))
    np.testing.assert_array_equal(convert(pose, source, target), pose[:, indices])


REFERENCE_NAMES = {
    "pa16j2d": "pa16j",
    "pa16j3d": "pa16j",
    "pa17j2d": "pa17j",
    "pa17j3d": "pa17j",
    "pa20j3d": "pa20j",
    "coco17j": "coco17",
}


@pytest.mark.parametrize(("reference", "name"), REFERENCE_NAMES.items())
def test_flip_count_and_limbs_agree_with_reference(golden, reference, name):
    layouts, skeleton = golden("fn_pose_layouts"), get_skeleton(name)
    np.testing.assert_array_equal(skeleton.flip, layouts[f"{reference}.map_hflip"])
    assert skeleton.num_joints == layouts[f"{reference}.num_joints"]
    drawn = {frozenset((limb.start, limb.end)) for limb in skeleton.limbs}
    links = layouts[f"{reference}.links"]
    assert {frozenset(skeleton.joints[i] for i in link) for link in links} <= drawn


def test_every_reference_list_of_our_skeletons_is_tested(golden):
    foreign = ("pa21j", "_jhmdb", "_mpii3dhp")  # layouts that are not built in
    lists = {
        key
        for key in golden("fn_pose_layouts")
        if ".map_" in key and not key.endswith("hflip") and not any(name in key for name in foreign)
    }
    assert lists == {key for key, _, _ in REFERENCE_MAPS}


def test_conversion_of_values_agrees_with_reference(golden):
    reference = golden("fn_pose_convert")
    pose = reference["p17"]
    pa16j = convert(pose, "pa17j", "pa16j")
    np.testing.assert_array_equal(pa16j, reference["p16_3d"])
    np.testing.assert_array_equal(pa16j[..., :2], reference["p16_2d"])
    np.testing.assert_array_equal(pose[:, get_skeleton("pa17j").flip], reference["hflip17"])
    np.testing.assert_array_equal(pa16j[:, get_skeleton("pa16j").flip], reference["hflip16"])
    np.testing.assert_array_equal(convert(pa16j, "pa16j", "mpii16"), reference["to_mpii"])


def test_lsp_leaves_pelvis_and_thorax_unknown():
    converted = convert(numbered("lsp14"), "lsp14", "pa16j")
    unknown = np.isnan(converted).all(axis=1)
    assert np.array(get_skeleton("pa16j").joints)[unknown].tolist() == ["pelvis", "thorax"]


def test_h36m17_are_the_customary_17_of_the_32_points():
    # The list of J. Martinez et al., "A Simple yet Effective Baseline for 3D Human Pose
    # Estimation", ICCV 2017, which names points 0, 1, 2, 3, 6, 7, 8, 12-15, 17-19, 25-27.
    points = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    np.testing.assert_array_equal(joint_map("h36m32", "h36m17"), points)


def test_convert_keeps_axes_and_type_and_leaves_its_input_alone():
    pose = np.ones((3, 5, 14, 3), np.float32)
    converted = convert(pose, "lsp14", "pa17j")
    assert converted.shape == (3, 5, 17, 3)
    assert converted.dtype == np.float32
    assert convert(np.ones((14, 2), int), "lsp14", "pa16j").dtype == np.float64
    copy = convert(pose, "lsp14", "lsp14")
    copy[:] = 0
    assert (pose == 1).all()


def test_custom_skeleton_can_be_used_everywhere():
    hands = Skeleton("hands", ("left_wrist", "right_wrist"))
    assert get_skeleton(hands) is hands
    assert joint_map("mpii16", hands).tolist() == [15, 10]
    assert hands.flip.tolist() == [1, 0]
    assert hands.groups == {"Wrist": ("left_wrist", "right_wrist")}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_ear", "right_ear"),
        ("Left Ear", "Right Ear"),
        ("L_Ear", "R_Ear"),
        ("ear.l", "ear.r"),
        ("leftEar", "rightEar"),
        ("LEar", "REar"),
        ("Ear-Left", "Ear-Right"),
    ],
)
def test_left_and_right_are_told_from_names_of_many_kinds(left, right):
    cat = skeleton_of("cat", ["Nose", left, right, "corner_l"], limbs=[(0, 1), (0, 2)])
    assert cat.joints == ("nose", "left_ear", "right_ear", "corner_l")
    assert cat.flip.tolist() == [0, 2, 1, 3]
    assert cat.limbs[0].colour != cat.limbs[1].colour
    assert cat.groups == {"Head": ("nose", "left_ear", "right_ear"), "Corner l": ("corner_l",)}


def test_pairs_that_are_given_count_in_place_of_names():
    chair = skeleton_of("chair", ["P1", "P2", "seat"], limbs=[(0, 2)], pairs=[("P1", "P2")])
    assert chair.flip.tolist() == [1, 0, 2]
    hand = skeleton_of("hand", ["left_thumb", "left_palm"], pairs=())
    assert hand.flip.tolist() == [0, 1]
    for skeleton in (chair, hand, skeleton_of("cat", ["left_ear", "right_ear"])):
        fields = json.loads(json.dumps(dataclasses.asdict(skeleton)))
        assert Skeleton.from_fields(fields) == skeleton


def test_joints_of_a_built_in_skeleton_give_that_skeleton():
    coco = get_skeleton("coco17")
    assert skeleton_of("person", coco.joints) is coco
    assert reference(coco) == "coco17"
    own = skeleton_of("person", coco.joints[:5])
    assert reference(own) is own


@pytest.mark.parametrize(
    ("joints", "pairs", "message"),
    [
        (["nose", "Nose"], None, "names the joint 'nose' twice"),
        (["point_1", "point_2"], None, "No joint of 'thing' has a side .*--flip-pairs A:B,C:D"),
        (["nose", "left_ear"], None, "'left_ear' of 'thing' has no partner .*flip_pairs"),
        (["a", "b"], [("a", "c")], "names the joint 'c', but 'thing' has a, b"),
        (["a", "b", "c"], [("a", "b"), ("b", "c")], "a joint in two pairs"),
    ],
)
def test_joints_without_clear_pairs_are_refused(joints, pairs, message):
    with pytest.raises(ValueError, match=message):
        skeleton_of("thing", joints, pairs=pairs)


def test_fields_of_no_skeleton_are_refused():
    with pytest.raises(ValueError, match="skeleton cannot be read"):
        Skeleton.from_fields({"name": "cat"})


@pytest.mark.parametrize("name", ["mpii", None, 16])
def test_unknown_skeleton_lists_the_known_ones(name):
    with pytest.raises(ValueError, match=r"Unknown skeleton .* pa16j.*ntu25"):
        get_skeleton(name)


def test_unknown_joint_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'pa16j' has no joint 'nose'\. It has pelvis, thorax"):
        get_skeleton("pa16j").index("nose")


def test_skeleton_with_inconsistent_names_is_refused():
    with pytest.raises(ValueError, match=r"names the joint .neck. twice"):
        Skeleton("bad", ("neck", "neck"))
    with pytest.raises(ValueError, match="has no joint 'right_knee'"):
        Skeleton("bad", ("neck", "left_knee"))


@pytest.mark.parametrize("shape", [(17, 2), (16,), (16, 2, 1)])
def test_pose_of_another_layout_is_refused(shape):
    with pytest.raises(ValueError, match=r"'pa16j' must have the shape \(\.\.\., 16, dim\)"):
        convert(np.zeros(shape), "pa16j", "mpii16")


def test_tables_cannot_be_changed():
    with pytest.raises(TypeError):
        SKELETONS["pa16j"] = None
    with pytest.raises(ValueError, match="read-only"):
        get_skeleton("pa16j").flip[0] = 3
