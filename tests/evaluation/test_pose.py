"""Scores of poses in images and in space."""

import dataclasses
from functools import partialmethod

import numpy as np
import pytest

from deephar.camera import Camera
from deephar.data import LSP, MPII, Sample, Subset
from deephar.evaluation import score_lsp, score_mpii, score_mpjpe, score_pckh, score_penn
from deephar.evaluation.pose import poses_relative_to_root
from deephar.geometry import apply_affine, invert_affine
from deephar.inference import Predictions, predict_poses
from deephar.models import ModelConfig
from deephar.skeletons import convert, get_skeleton


def perfect(dataset, skeleton="mpii16", blocks=1):
    """Predictions equal to the truth."""
    joints = np.stack([convert(s.joints, s.skeleton, skeleton) for s in dataset])
    joints = np.repeat(joints[None], blocks, axis=0)
    names = tuple(sample.name for sample in dataset)
    return Predictions(joints, np.ones(joints.shape[:3]), names, skeleton, crops_per_person=1)


def test_mpii_scores_agree_with_reference(golden, dots):
    reference = golden("fn_protocols")
    to_pixels = invert_affine(reference["mpii_afmat"])
    true = np.where(reference["mpii_true"] < -1e6, np.nan, reference["mpii_true"])
    true = convert(apply_affine(to_pixels, true), "pa16j", "mpii16")
    dataset = dots(10)
    for i in range(10):
        dataset = dataset.changed(i, joints=true[i], head_size=reference["mpii_headsize"][i, 0])
    joints = np.stack([apply_affine(to_pixels, block[..., :2]) for block in reference["mpii_pred"]])
    names = tuple(sample.name for sample in dataset)
    predictions = Predictions(
        joints, reference["mpii_pred"][..., 2], names, "pa16j", crops_per_person=1
    )
    scores = score_mpii(predictions, dataset)
    totals = [block.total for block in scores.blocks]
    np.testing.assert_allclose(totals, 100 * reference["mpii_scores"], atol=1e-9)
    assert scores.answer.total == totals[-1]


def test_joints_found_in_any_window_score_100(config, dots, reader):
    dataset = dots()
    assert score_mpii(predict_poses(reader(), config, dataset), dataset).answer.total == 100


def test_wrong_everywhere_gives_zero(config, dots, reader):
    dataset = dots()
    scores = score_mpii(predict_poses(reader((3.0,)), config, dataset), dataset)
    assert scores.answer.total == 0
    assert scores.curves[-1].auc == 0
    np.testing.assert_array_equal(scores.person_scores, 0)


def test_the_last_block_is_the_answer_although_another_is_better(config, dots, reader):
    dataset = dots()
    scores = score_mpii(predict_poses(reader((3.0, 0.0, 1.0)), config, dataset), dataset)
    assert [block.total for block in scores.blocks] == [0, 100, 0]
    assert scores.answer is scores.blocks[-1]
    # Of the last block: 1 window to the right and down, in heads of 1/10 window.
    np.testing.assert_allclose(scores.distances, 10 * 2**0.5, rtol=0.02)


def test_lsp_is_scored_with_the_torso(config, dots, reader):
    dataset = dots(skeleton="lsp14", name="lsp", split="test")
    scores = score_lsp(predict_poses(reader(), config, dataset, crops="multi"), dataset)
    assert scores.answer.total == 100
    assert scores.answer.count == 14 * len(dataset)

    true = np.stack([sample.joints for sample in dataset])
    torso = np.linalg.norm(true[:, 9] - true[:, 2], axis=-1)
    predictions = perfect(dataset, "lsp14", blocks=2)
    predictions.joints[0, :, 0, 0] += 0.15 * torso  # one joint of 14
    predictions.joints[1, :, :7, 0] += 0.25 * torso[:, None]  # half of them
    scores = score_lsp(predictions, dataset)
    assert [block.total for block in scores.blocks] == [100, 50]
    assert scores.strict[0].total == pytest.approx(100 * 13 / 14)
    np.testing.assert_allclose(scores.distances[:, :7], 0.25)
    np.testing.assert_allclose(scores.curves[1].values, 50)
    assert scores.curves[0].thresholds[-1] == 0.2


def test_joints_outside_of_the_crop_are_scored(dots):
    dataset = dots(4)
    joints = dataset[0].joints.copy()
    joints[9] = dataset[0].center + 2 * dataset[0].side
    dataset = dataset.changed(0, joints=joints)
    predictions = perfect(dataset)
    assert score_mpii(predictions, dataset).answer.total == 100
    predictions.joints[0, 0, 9] = dataset[0].center
    score = score_mpii(predictions, dataset).answer
    assert score.count == 4 * 14
    assert score.total == pytest.approx(100 * 55 / 56)


def test_unlabelled_joints_and_pelvis_and_thorax_are_left_out(dots):
    dataset = dots(2)
    joints = dataset[0].joints.copy()
    joints[[0, 1]] = np.nan
    dataset = dataset.changed(0, joints=joints)
    predictions = perfect(dots(2))
    predictions.joints[..., [0, 1, 6, 7], :] += 1e4
    scores = score_mpii(predictions, dataset)
    assert scores.answer.count == 12 + 14
    np.testing.assert_allclose(scores.person_scores, [100, 100 * 12 / 14])
    assert np.isnan(scores.distances[0, :2]).all()


def test_persons_of_lsp_without_a_labelled_torso_are_left_out(dots):
    dataset = dots(3, skeleton="lsp14")
    predictions = perfect(dataset, "lsp14")
    joints = dataset[1].joints.copy()
    joints[get_skeleton("lsp14").joints.index("left_shoulder")] = np.nan
    dataset = dataset.changed(1, joints=joints)
    scores = score_lsp(predictions, dataset)
    assert scores.answer.total == 100
    assert scores.answer.count == 2 * 14
    assert (scores.num_scored, scores.num_in_split) == (2, 3)
    predictions = perfect(Subset(dots(3, skeleton="lsp14"), [1]), "lsp14")
    with pytest.raises(ValueError, match="torso size is unknown for all 1 persons"):
        score_lsp(predictions, Subset(dataset, [1]))


def test_a_part_of_a_split_says_so(dots):
    part = Subset(Subset(dots(7), range(5)), range(2))
    scores = score_mpii(perfect(part), part)
    assert (scores.data, scores.num_scored, scores.num_in_split) == ("mpii valid", 2, 7)


def test_predictions_of_other_persons_are_refused(dots):
    with pytest.raises(ValueError, match="other persons"):
        score_mpii(perfect(dots(3)), dots(4))


def test_a_skeleton_that_lacks_joints_is_refused(dots):
    dataset = dots(2)
    predictions = perfect(dataset, "lsp14")
    with pytest.raises(ValueError, match="'lsp14', which lacks pelvis, thorax of 'mpii16'"):
        score_mpii(predictions, dataset)


def test_a_data_set_of_another_skeleton_is_refused(dots):
    dataset = dots(2, skeleton="lsp14")
    with pytest.raises(ValueError, match="'lsp14'"):
        score_mpii(perfect(dataset), dataset)


def test_predictions_that_are_not_finite_are_refused(dots):
    dataset = dots(3)
    predictions = perfect(dataset)
    predictions.joints[0, 1, 4, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity, first for dots1"):
        score_mpii(predictions, dataset)


def test_an_unknown_head_size_is_refused(dots):
    dataset = dots(3).changed(1, head_size=float("nan"))
    with pytest.raises(ValueError, match="1 of 3, first dots1"):
        score_mpii(perfect(dataset), dataset)


@pytest.mark.parametrize(("kind", "score"), [("MPII", score_mpii), ("LSP", score_lsp)])
def test_real_images_go_through(real_data, kind, score):
    dataset = {"MPII": MPII, "LSP": LSP}[kind](real_data / kind, "train")
    dataset = Subset(dataset, range(6))
    center = np.full((1, 16, 3), 0.5)
    config = ModelConfig(image_size=64)
    predictions = predict_poses(lambda x: {"pose": np.stack([center] * len(x))}, config, dataset)
    window_centers = np.stack([sample.center for sample in dataset])
    np.testing.assert_allclose(predictions.joints[0, :, 0], window_centers)
    assert 0 < score(predictions, dataset).answer.total < 60


# --- poses in space, and data sets of any skeleton ---


def h36m(golden):
    """Persons with cameras and 3D labels, predictions for them, and the published errors."""
    reference = golden("fn_protocols")
    samples, joints = [], []
    to_pixels = invert_affine(reference["h36m_afmat"])
    for number, row in enumerate(reference["h36m_cameras"]):
        camera = Camera(
            rotation=row[:9].reshape(3, 3),
            translation=row[9:12],
            focal=row[12:14],
            center=row[14:16],
            tangential=row[16:18],
            radial=row[18:],
        )
        points = camera.to_camera(reference["h36m_pose_world"][number])
        samples.append(
            Sample(
                image="",
                joints=camera.project(points),
                visible=np.ones(17),
                skeleton="pa17j",
                center=np.zeros(2),
                side=100.0,
                head_size=float("nan"),
                name=f"person{number}",
                joints_3d=points,
                camera=camera,
            )
        )
    predicted = reference["h36m_pred"]
    joints = np.stack([apply_affine(to_pixels, block[..., :2]) for block in predicted])
    names = tuple(sample.name for sample in samples)
    predictions = Predictions(joints, predicted[..., 3], names, "pa17j", 1, predicted[..., 2])
    return Listed(samples), predictions, reference


class Listed(list):
    """A list of samples as a data set."""

    name, split = "h36m", "test"

    @property
    def skeleton(self):
        return self[0].skeleton


def test_mpjpe_agrees_with_reference(golden):
    dataset, predictions, reference = h36m(golden)
    roots = [sample.joints_3d[0, 2] for sample in dataset]
    np.testing.assert_allclose(roots, reference["h36m_rootz"], atol=1e-6)
    scores = score_mpjpe(predictions, dataset)
    totals = [block.total for block in scores.blocks]
    # The published code takes the lens's distortion back in a single step, which is not exact.
    np.testing.assert_allclose(totals, reference["h36m_scores_mm"], rtol=0.01)
    assert scores.answer is scores.blocks[-1]
    assert (scores.data, scores.num_scored) == ("h36m test", 10)
    assert scores.aligned[-1].total < scores.answer.total


def test_mpjpe_of_a_shift_in_depth_is_that_shift(golden):
    dataset, predictions, _ = h36m(golden)
    true = np.stack([sample.joints_3d for sample in dataset])
    z = (true[..., 2] - true[:, :1, 2]) / 2000 + 0.5
    joints = np.stack([sample.joints for sample in dataset])
    exact = Predictions(joints[None], z[None], predictions.names, "pa17j", 1, z[None])
    assert score_mpjpe(exact, dataset).answer.total == pytest.approx(0, abs=1e-3)
    z = z.copy()
    z[:, 1:] += 0.05  # all but the root 100 mm further away
    moved = Predictions(joints[None], z[None], predictions.names, "pa17j", 1, z[None])
    error = score_mpjpe(moved, dataset).answer.total
    assert 100 * 16 / 17 < error < 120


def test_mpjpe_needs_depth_and_3d_labels(golden):
    dataset, predictions, _ = h36m(golden)
    flat = dataclasses.replace(predictions, depth=None)
    with pytest.raises(ValueError, match="no depth"):
        score_mpjpe(flat, dataset)
    part = Listed(dataclasses.replace(s, joints_3d=None) if i else s for i, s in enumerate(dataset))
    assert score_mpjpe(predictions, part).num_scored == 1
    without = Listed(dataclasses.replace(s, joints_3d=None) for s in dataset)
    with pytest.raises(ValueError, match="none of the 10 persons has 3D labels"):
        score_mpjpe(predictions, without)


def test_persons_without_a_3d_label_are_left_out(golden):
    dataset, predictions, _ = h36m(golden)
    unknown, part = np.full((17, 3), np.nan), dataset[2].joints_3d.copy()
    part[5:] = np.nan
    dataset[1] = dataclasses.replace(dataset[1], joints_3d=unknown)
    dataset[2] = dataclasses.replace(dataset[2], joints_3d=part)
    dataset[3] = dataclasses.replace(dataset[3], camera=None)
    scores = score_mpjpe(predictions, dataset)
    assert (scores.num_scored, scores.num_in_split) == (8, 10)
    assert scores.answer.count == 7 * 17 + 5
    assert poses_relative_to_root(predictions, dataset)[2].tolist() == [0, 2, 4, 5, 6, 7, 8, 9]


def test_mpjpe_agrees_exactly_with_one_step_of_undistortion(golden, monkeypatch):
    dataset, predictions, reference = h36m(golden)
    monkeypatch.setattr(Camera, "unproject", partialmethod(Camera.unproject, iterations=1))
    totals = [block.total for block in score_mpjpe(predictions, dataset).blocks]
    np.testing.assert_allclose(totals, reference["h36m_scores_mm"], atol=1e-6)


def test_errors_of_each_action_are_those_of_its_persons(golden):
    dataset, predictions, reference = h36m(golden)
    assert score_mpjpe(predictions, dataset).actions == {}
    assert np.isnan(score_mpjpe(predictions, dataset).mean_of_actions).all()
    numbers = reference["h36m_action"].ravel()
    told = Listed(
        dataclasses.replace(sample, action=f"a{number}")
        for sample, number in zip(dataset, numbers, strict=True)
    )
    scores = score_mpjpe(predictions, told)
    assert list(scores.actions) == [f"a{number}" for number in dict.fromkeys(numbers.tolist())]
    for number in set(numbers.tolist()):
        rows = np.flatnonzero(numbers == number)
        part = dataclasses.replace(
            predictions,
            joints=predictions.joints[:, rows],
            visibility=predictions.visibility[:, rows],
            names=tuple(predictions.names[row] for row in rows),
            depth=predictions.depth[:, rows],
        )
        alone = score_mpjpe(part, Listed(dataset[row] for row in rows))
        mpjpe, p_mpjpe = scores.actions[f"a{number}"]
        assert mpjpe.total == pytest.approx(alone.blocks[-1].total)
        assert p_mpjpe.total == pytest.approx(alone.aligned[-1].total)
    totals = [[score.total for score in pair] for pair in scores.actions.values()]
    np.testing.assert_allclose(scores.mean_of_actions, np.mean(totals, axis=0))


def test_the_protocol_of_the_data_set_decides_which_error_is_reported(golden):
    dataset, predictions, _ = h36m(golden)
    scores = score_mpjpe(predictions, dataset)
    assert (scores.measure, scores.answer) == ("MPJPE", scores.blocks[-1])
    dataset.protocol = 2
    scores = score_mpjpe(predictions, dataset)
    assert (scores.measure, scores.answer) == ("P-MPJPE", scores.aligned[-1])


def test_pckh_of_any_skeleton_is_that_of_mpii(config, dots, reader):
    mpii, own = dots(7), dots(7, skeleton="pa16j", name="own")
    predictions = predict_poses(reader((0.03,)), config, mpii)
    predictions.joints[0, 0] += 1e3
    expected, scores = score_mpii(predictions, mpii), score_pckh(predictions, own)
    assert 0 < scores.answer.total < 100
    assert scores.answer.total == expected.answer.total
    assert scores.answer.per_group == expected.answer.per_group
    assert (scores.data, scores.skeleton) == ("own valid", "pa16j")


def test_penn_is_scored_by_the_box_on_visible_joints(dots):
    dataset = dots(4, skeleton="penn13", name="penn", split="test")
    predictions = perfect(dataset, "penn13")
    side = np.array([sample.side for sample in dataset])
    predictions.joints[0, :, 0, 0] += 0.19 * side / 1.25
    predictions.joints[0, :, 1, 0] += 0.21 * side / 1.25
    scores = score_penn(predictions, dataset)
    assert scores.answer.total == pytest.approx(100 * 12 / 13)
    np.testing.assert_allclose(scores.distances[:, 0], 0.19)

    hidden = np.ones(13)
    hidden[1] = 0
    for number in range(4):
        dataset = dataset.changed(number, visible=hidden)
    dataset = dataset.changed(2, side=float("nan"))  # a frame without a box
    scores = score_penn(predictions, dataset)
    assert (scores.answer.total, scores.answer.count) == (100, 3 * 12)


def test_intervals_are_over_videos_not_their_frames(dots):
    dataset = dots(6, skeleton="pa16j")
    predictions = perfect(dataset, "pa16j")
    predictions.joints[0, :3] += 1e4
    apart = score_pckh(predictions, dataset).answer.interval
    names = [f"video{number // 3}#{number:06d}" for number in range(6)]
    for number, name in enumerate(names):
        dataset = dataset.changed(number, name=name)
    predictions = dataclasses.replace(predictions, names=tuple(names))
    together = score_pckh(predictions, dataset).answer
    assert together.total == 50
    assert together.interval == (0, 100)
    assert apart[0] > 0
