"""Cut-outs of persons, pasted beside other persons."""

from dataclasses import replace

import numpy as np
import pytest

from deephar.data import MPII, Sample, Subset
from deephar.data.company import InCompany, person_mask
from deephar.geometry import apply_affine, crop_affine
from deephar.models import VARIANTS
from deephar.skeletons import Skeleton, get_skeleton
from deephar.training import PoseStage, Recipe, Source
from deephar.training.data import open_data

SKELETON = get_skeleton("mpii16")
# An upright person 150 pixels high, relative to the pelvis.
UPRIGHT = {
    "ankle": (10, 70),
    "knee": (10, 35),
    "hip": (10, 0),
    "shoulder": (14, -45),
    "elbow": (20, -20),
    "wrist": (22, 2),
    "pelvis": (0, 0),
    "thorax": (0, -47),
    "neck": (0, -52),
    "head_top": (0, -78),
}


def person(level, width=200, height=200, at=(100, 100)):
    """Somebody on a picture of one grey level."""
    joints = np.empty((16, 2))
    for index, name in enumerate(SKELETON.joints):
        side, _, part = name.partition("_")
        x, y = UPRIGHT[part] if side in ("right", "left") else UPRIGHT[name]
        joints[index] = at[0] + (-x if side == "right" else x), at[1] + y
    return Sample(
        image=np.full((height, width, 3), level, np.uint8),
        joints=joints,
        visible=np.ones(16),
        skeleton="mpii16",
        center=np.array(at, float),
        side=190.0,
        head_size=20.0,
        name=f"person{level}",
    )


class Persons(list):
    name, skeleton, split = "persons", "mpii16", "train"


@pytest.fixture
def pair():
    return Persons([person(0), person(255)])


def pasted(dataset, index):
    """Where the picture of a person has changed, and the sample."""
    sample = dataset[index]
    return (sample.image != dataset.dataset[index].image).any(axis=-1), sample


def seeds_with(pair, count=60):
    """Where the black picture has changed, since the person of the white one stands there."""
    for seed in range(count):
        yield pasted(InCompany(pair, 1.0, seed=seed), 0)


def test_somebody_stands_beside_the_labelled_person(pair):
    found = list(seeds_with(pair))
    for changed, sample in found:
        assert changed.any()  # never the person of the black picture itself
        assert sample.image.max() > 200
        x = np.nonzero(changed)[1].mean() - sample.center[0]
        assert 15 < abs(x) < 110
        for field in ("joints", "visible", "center", "side", "name"):
            np.testing.assert_array_equal(getattr(sample, field), getattr(pair[0], field))
    assert {np.sign(np.nonzero(changed)[1].mean() - 100) for changed, _ in found} == {-1, 1}
    assert (pair[0].image == 0).all()
    sizes = [changed.sum() for changed, _ in found]
    assert max(sizes) > 1.5 * min(sizes)


def test_the_labelled_person_is_seen_for_the_most_part(pair):
    own = person_mask(pair[0].joints, SKELETON, (200, 200)) > 0.5
    covered = [(changed & own).sum() / own.sum() for changed, _ in seeds_with(pair)]
    assert max(covered) < 0.45
    assert sum(share > 0.1 for share in covered) > 3  # somebody is in front now and then
    assert sum(share < 0.05 for share in covered) > 3


def test_company_is_the_same_whenever_a_person_is_asked_for(pair):
    one, again, other = (InCompany(pair, 1.0, seed=seed) for seed in (1, 1, 2))
    assert len(one) == 2
    assert all((one[i].image == again[i].image).all() for i in (0, 1, 0))
    assert any((one[i].image != other[i].image).any() for i in (0, 1))
    np.testing.assert_array_equal(one[-1].image, one[1].image)
    with pytest.raises(IndexError):
        one[2]


def test_the_share_of_persons_in_company():
    persons = Persons([person(level) for level in range(200)])
    dataset = InCompany(persons, 0.3)
    assert 40 <= sum(pasted(dataset, index)[0].any() for index in range(200)) <= 80
    alone = InCompany(persons, 0.0)
    assert all(alone[index] is persons[index] for index in range(200))


def test_persons_without_a_labelled_trunk_stay_alone_and_are_not_cut_out(pair):
    unlabelled = pair[1].joints.copy()
    unlabelled[SKELETON.index("left_hip")] = np.nan
    persons = Persons([pair[0], replace(pair[1], joints=unlabelled)])
    for seed in range(20):
        dataset = InCompany(persons, 1.0, seed=seed)
        assert dataset[0] is persons[0]  # there is nobody else to stand beside them
        assert dataset[1] is persons[1]


def test_nothing_around_a_picture_is_pasted():
    # Half of the person is outside of the white picture.
    persons = Persons([person(255), person(254, width=100, at=(99, 100))])
    for seed in range(20):
        assert InCompany(persons, 1.0, seed=seed)[0].image.min() >= 254


def test_pictures_of_any_size_have_company():
    persons = Persons([person(0, 30, 20, at=(25, 15)), person(255, 40, 300, at=(2, 290))])
    for seed in range(100):
        dataset = InCompany(persons, 1.0, seed=seed)
        assert [dataset[i].image.shape for i in (0, 1)] == [(20, 30, 3), (300, 40, 3)]


def test_files_are_read(drawn_mpii):
    dataset = InCompany(Subset(MPII(drawn_mpii, "train"), range(4)), 1.0)
    sample = dataset[0]
    assert sample.image.shape == (240, 200, 3)
    assert isinstance(dataset.dataset[0].image, str)
    assert (len(dataset), dataset.name) == (4, "mpii")


@pytest.mark.parametrize("turned", [0, 90, 200])
def test_the_shape_of_a_person_holds_the_joints_and_grows_with_them(turned):
    joints = person(0).joints
    affine = crop_affine((100, 100), 1, angle=turned)
    joints = apply_affine(affine, joints) + 150
    mask = person_mask(joints, SKELETON, (300, 300))
    x, y = joints.round().astype(int).T
    inner = [i for i, name in enumerate(SKELETON.joints) if name != "head_top"]
    assert mask[y, x][inner].min() > 0.9
    assert mask.max() <= 1
    away = np.linalg.norm(np.stack(np.mgrid[:300, :300][::-1], -1) - [150, 150], axis=-1) > 100
    assert mask[away].max() == 0
    large = person_mask(2 * joints, SKELETON, (600, 600))
    assert large.sum() == pytest.approx(4 * mask.sum(), rel=0.05)


def test_limbs_without_labels_are_left_out():
    joints = person(0).joints
    whole = person_mask(joints, SKELETON, (200, 200))
    joints[[SKELETON.index(name) for name in ("right_knee", "left_elbow", "head_top")]] = np.nan
    part = person_mask(joints, SKELETON, (200, 200))
    assert (part <= whole + 1e-6).all()
    assert part.sum() < 0.85 * whole.sum()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_out_of_range_are_refused(pair, share):
    with pytest.raises(ValueError, match="must be 0 to 1"):
        InCompany(pair, share)
    with pytest.raises(ValueError, match="must be 0 to 1"):
        Source("mpii", "datasets/MPII", company=share)


def test_skeletons_without_a_trunk_are_refused():
    persons = Persons()
    persons.skeleton = Skeleton("hand", ("right_hip", "left_hip"))
    with pytest.raises(ValueError, match="no right_shoulder, left_shoulder"):
        InCompany(persons, 0.5)


def test_recipes_give_company_to_those_they_train_on(drawn_mpii):
    recipe = Recipe(
        network=VARIANTS["vgg16-light-64"],
        data={
            "mpii": Source("mpii", str(drawn_mpii), company=1.0),
            "plain": Source("mpii", str(drawn_mpii)),
        },
        stages=(PoseStage(shares={"mpii": 2, "plain": 1}),),
    )
    data = open_data(recipe)
    assert isinstance(data.train[0].image, np.ndarray)
    assert isinstance(data.datasets["plain"][0].image, str)
    assert isinstance(data.validation[0].image, str)


def test_persons_in_videos_have_no_company():
    with pytest.raises(ValueError, match="company is for data sets of stills, and 'penn' has"):
        Source("penn", "datasets/PennAction", company=0.5)
