"""LSP and LSP-extended, which differ in the axes and in the meaning of the flag."""

import numpy as np
import pytest
import scipy.io

from deephar.data import LSP, InputSpec, crop_sample


def rewrite(root, change):
    joints = scipy.io.loadmat(root / "joints.mat")["joints"]
    scipy.io.savemat(root / "joints.mat", {"joints": change(joints)})


def test_first_thousand_images_are_for_training(build, tmp_path):
    values = build.lsp(tmp_path, 1003)
    train, test = LSP(tmp_path, "train"), LSP(tmp_path, "test")
    assert (len(train), len(test)) == (1000, 3)
    assert (train[999].name, test[0].name) == ("im1000.jpg", "im1001.jpg")
    assert test[2].image == str(tmp_path / "images" / "im1003.jpg")
    np.testing.assert_array_equal(test[2].joints, values[:2, :, 1002].T)
    assert test[-1].name == "im1003.jpg"
    assert (train.name, train.skeleton) == ("lsp", "lsp14")
    assert "joints.mat (LSP form)" in repr(train)


def test_flag_of_lsp_says_occluded(build, tmp_path):
    build.lsp(tmp_path, 2)

    def hide(joints):
        joints[2, 5, 1] = 1
        return joints

    rewrite(tmp_path, hide)
    sample = LSP(tmp_path)[1]
    assert sample.visible.tolist() == [float(j != 5) for j in range(14)]
    assert np.isfinite(sample.joints).all()


def test_flag_of_extended_says_labelled(build, tmp_path):
    build.lsp(tmp_path, 2, extended=True)

    def forget(joints):
        joints[5, :, 1] = 0
        return joints

    rewrite(tmp_path, forget)
    dataset = LSP(tmp_path, "extended")
    sample = dataset[1]
    assert (dataset.name, sample.name) == ("lspet", "im00002.jpg")
    assert np.isnan(sample.joints[5]).all()
    assert np.isfinite(np.delete(sample.joints, 5, axis=0)).all()
    assert np.isnan(sample.visible).all()


def test_window_is_the_square_around_the_labelled_joints(build, tmp_path):
    build.lsp(tmp_path, 1)
    sample = LSP(tmp_path)[0]
    np.testing.assert_allclose(sample.center, (26.5, 16.5))
    assert sample.side == pytest.approx(1.25 * 13)
    assert np.isnan(sample.head_size)


@pytest.mark.parametrize(
    ("extended", "split"), [(True, "train"), (True, "test"), (False, "extended")]
)
def test_folder_of_the_other_data_set(build, tmp_path, extended, split):
    build.lsp(tmp_path, 1001, extended=extended)
    with pytest.raises(ValueError, match=r"joints\.mat is that of LSP.*folder of the other"):
        LSP(tmp_path, split)


@pytest.mark.parametrize(
    "joints", [np.zeros((2, 14, 5)), np.zeros((3, 14, 5, 2)), np.zeros(4), "x"]
)
def test_joints_of_another_format(build, tmp_path, joints):
    build.lsp(tmp_path, 1)
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints})
    with pytest.raises(ValueError, match=r"joints\.mat: The joints must be numbers, 3 x 14"):
        LSP(tmp_path)


def test_mat_file_without_joints(build, tmp_path):
    build.lsp(tmp_path, 1)
    scipy.io.savemat(tmp_path / "joints.mat", {"poses": 1})
    with pytest.raises(ValueError, match=r"joints\.mat holds no variable 'joints'"):
        LSP(tmp_path)


def test_missing_folder_images_and_joints(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a folder.*README"):
        LSP(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="images"):
        LSP(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=r"joints\.mat does not exist"):
        LSP(tmp_path)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="train, test, extended"):
        LSP(tmp_path, "valid")


def test_no_test_images(build, tmp_path):
    build.lsp(tmp_path, 1000)
    with pytest.raises(FileNotFoundError, match="describes 1000 images; the test"):
        LSP(tmp_path, "test")


def test_person_without_enough_labels_is_named(build, tmp_path):
    build.lsp(tmp_path, 3, extended=True)

    def forget(joints):
        joints[1:, 2, 1] = 0
        return joints

    rewrite(tmp_path, forget)
    with pytest.raises(ValueError, match="Image 2 has 1 labelled joints"):
        LSP(tmp_path, "extended")


def test_joints_beyond_the_images_name_the_missing_image(build, tmp_path):
    build.lsp(tmp_path, 3, images=[1, 2])
    dataset = LSP(tmp_path)
    crop_sample(dataset[1], InputSpec(32))
    with pytest.raises(FileNotFoundError, match=r"im0003\.jpg does not exist"):
        crop_sample(dataset[2], InputSpec(32))
    with pytest.raises(IndexError):
        dataset[3]


def test_real_folders_are_read(real_data):
    lsp, extended = real_data / "LSP", real_data / "LSPET"
    train, test, more = LSP(lsp), LSP(lsp, "test"), LSP(extended, "extended")
    assert (len(train), len(test), len(more)) == (1000, 500, 10000)
    hidden = np.mean([sample.visible == 0 for dataset in (train, test) for sample in dataset])
    assert hidden == pytest.approx(0.07, abs=0.01)
    assert sum(np.isfinite(sample.joints).all(axis=1).sum() for sample in more) == 123213
