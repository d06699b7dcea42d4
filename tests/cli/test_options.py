"""What the scripts share: their arguments, and errors as one line."""

import argparse
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deephar import cli, weights
from deephar.models import VARIANTS, ModelConfig, ReceptionConfig, build_model


def test_mistakes_and_interrupts_become_a_line_and_a_status(capsys):
    def failing(error):
        @cli.reporting_errors
        def main(argv=None):
            raise error

        return main()

    assert failing(FileNotFoundError("no\n  such file")) == 2
    assert capsys.readouterr().err == "error: no such file\n"
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"
    with pytest.raises(TypeError):  # a mistake of ours keeps its traceback
        failing(TypeError("bug"))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        *(("--validation", value, "between 0 and 1") for value in ("0", "1", "-0.1", "nan", "x")),
        *(("--seed", value, "whole number from 0") for value in ("-1", "0.5", str(2**32))),
    ],
)
def test_numbers_that_no_training_takes_are_refused_at_once(capsys, option, value, message):
    parser = argparse.ArgumentParser()
    cli.add_pose_training_arguments(parser)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--out", "out", option, value])
    assert f"argument {option}: expected a" in (printed := capsys.readouterr().err)
    assert message in printed
    args = parser.parse_args(["--out", "out", "--validation", "0.25", "--seed", "7"])
    assert (args.validation, args.seed) == (0.25, 7)


def test_shares_are_read_and_explained():
    assert cli.parse_shares("mpii=16,lsp=8") == {"mpii": 16, "lsp": 8}
    with pytest.raises(argparse.ArgumentTypeError, match="mpii=16,lsp=8"):
        cli.parse_shares("mpii:16")


def network_of(*arguments, depth=None, skeletons=()):
    """The config that the arguments of a training script ask for."""
    parser = argparse.ArgumentParser()
    cli.add_pose_training_arguments(parser, depth, skeletons)
    args = parser.parse_args(["--out", "out", *arguments])
    return cli.pose_config(args, args.weights)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_a_pose_network(variant):
    config = network_of("--variant", variant)
    assert config == replace(VARIANTS[variant], actions={})
    assert network_of("--variant", variant, "--image-size", "64").image_size == 64


def test_a_peak_window_is_chosen_for_any_network_that_has_one():
    assert network_of("--variant", "vgg16-medium").peak_window == 0
    assert network_of("--variant", "vgg16-medium", "--peak-window", "2").peak_window == 2
    assert network_of("--weights", "vgg16-medium").peak_window == 2
    assert network_of("--weights", "vgg16-medium", "--peak-window", "0").peak_window == 0
    with pytest.raises(ValueError, match="--peak-window does not go with a ReceptionConfig"):
        network_of("--variant", "reception-mpii", "--peak-window", "2")


@pytest.mark.parametrize(
    ("pyramids", "message"),
    [(1, "start at random, dp1_pb"), (3, "are left out, up2_pb0_heatmaps_fw")],
)
def test_what_a_variant_does_not_share_with_weights_is_told(tmp_path, capsys, pyramids, message):
    config = ModelConfig(image_size=64, stem_features=8, growth=4, num_levels=2)
    theirs = replace(config, num_pyramids=pyramids)
    weights.save(build_model(theirs), theirs, tmp_path / "start.h5")
    args = SimpleNamespace(variant="vgg16")
    cli.load_start(args, build_model(config), tmp_path / "start.h5")
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_depth_where_data_have_it(variant):
    ours = VARIANTS[variant]
    config = network_of("--variant", variant, depth="regression", skeletons=("pa20j",))
    assert (config.dim, config.skeleton, config.actions) == (3, "pa20j", {})
    fixed = ours.depth or ("volumetric" if isinstance(ours, ReceptionConfig) else None)
    assert config.depth == (fixed or "regression")
    config = network_of("--variant", variant, "--depth", "volumetric", depth="regression")
    assert (config.dim, config.depth) == (3, "volumetric")


def test_weights_bring_their_network_without_its_actions(tmp_path):
    config = ModelConfig(
        stem="vgg16-narrow",
        image_size=64,
        stem_features=16,
        growth=8,
        num_levels=2,
        num_frames=4,
        actions={"penn": 15},
    )
    path = tmp_path / "w.h5"
    weights.save(build_model(config), config, path)
    assert network_of("--weights", str(path)) == replace(config, actions={})
    assert network_of("--weights", str(path), "--variant", "vgg16") == VARIANTS["vgg16"]
    with pytest.raises(ValueError, match="one that sees images"):
        network_of("--weights", "penn-pose-stream")


def test_depth_is_learned_from_labels_only():
    config = network_of("--variant", "reception-h36m")
    flat, deep = [SimpleNamespace(joints_3d=None)], [SimpleNamespace(joints_3d=np.zeros((17, 3)))]
    with pytest.raises(ValueError, match="data with 3D labels"):
        cli.require_depth_labels(config, [flat, flat])
    cli.require_depth_labels(config, [flat, deep])
    cli.require_depth_labels(network_of(), [flat])
