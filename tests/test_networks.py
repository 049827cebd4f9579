"""Networks: Monodepth2's keys, shapes and numbers, torchvision's ResNet as oracle, the lite family, the motion."""
from __future__ import annotations

import json
from functools import lru_cache

import pytest
import torch
from factories import TinySource, fill_as_prescribed, golden, golden_arrays
from torch.fx.experimental.proxy_tensor import make_fx

from semdepth_lite.camera import rigid_transform
from semdepth_lite.common.contracts import InputError
from semdepth_lite.common.runtime import seed_everything
from semdepth_lite.losses import LOSSES
from semdepth_lite.model import Model
from semdepth_lite.networks import (
    RESNETS,
    ConvBlock,
    DepthDecoder,
    Encoder,
    NetworkSettings,
    build_pose_network,
    coordinates,
    decoder_channels,
    elu,
)


def networks(settings: NetworkSettings) -> dict[str, torch.nn.Module]:
    """The four networks under Monodepth2's file names."""
    encoder = Encoder(settings)
    pose_encoder, pose = build_pose_network(settings)
    return {"encoder": encoder, "depth": DepthDecoder(encoder.channels, settings), "pose_encoder": pose_encoder,
            "pose": pose}


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Monodepth2

def golden_shapes() -> dict[str, dict[str, list[int]]]:
    return json.loads(str(golden_arrays()["state_dicts"]))


@lru_cache(2)
def built_once(settings: NetworkSettings) -> dict[str, torch.nn.Module]:
    """The four networks, to be looked at and left alone."""
    return networks(settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", golden_shapes())
def test_keys_and_shapes_are_monodepth2s(name):
    kind, depth = (name[:-3], "50") if name.endswith("_50") else (name, "18")
    state = built_once(NetworkSettings(f"resnet{depth}"))[kind].state_dict()
    ours = {key: list(value.shape) for key, value in state.items()}
    assert ours == golden_shapes()[name]
    assert list(ours) == list(golden_shapes()[name])  # the order too: the prescribed weights are drawn in it


def test_golden_keys_cover_both_depths():
    assert set(golden_shapes()) == {"encoder", "depth", "pose_encoder", "pose", "encoder_50", "depth_50"}


@pytest.mark.slow
@pytest.mark.parametrize("encoder, counts", [
    ("resnet18", (11_689_512, 3_152_724, 11_698_920, 1_314_572)),
    ("resnet50", (25_557_032, 9_014_100, 25_566_440, 1_707_788))])
def test_parameter_counts_are_monodepth2s(encoder, counts):
    built = built_once(NetworkSettings(encoder))
    assert tuple(parameters(built[name]) for name in ("encoder", "depth", "pose_encoder", "pose")) == counts
    assert parameters(built["encoder"].encoder.fc) == {"resnet18": 513_000, "resnet50": 2_049_000}[encoder]
    assert not any(p.requires_grad for p in built["encoder"].encoder.fc.parameters())


@pytest.mark.slow
@torch.no_grad()
def test_numbers_are_monodepth2s():
    built = [fill_as_prescribed(module, seed)
             for seed, module in enumerate(networks(NetworkSettings("resnet18")).values())]
    encoder, depth, pose_encoder, pose = built
    features = encoder(golden("image_0"))
    for level, feature in enumerate(features):
        found = torch.stack((feature.mean(), feature.std()))
        assert torch.allclose(found, golden(f"feature_{level}_mean_std"), rtol=2e-5, atol=1e-6)
    for scale, disp in enumerate(depth(features)):
        assert disp.shape == golden(f"disp_{scale}").shape
        assert (disp - golden(f"disp_{scale}")).abs().max() < 5e-6
    axis_angle, translation = pose(pose_encoder(torch.cat((golden("image_0"), golden("image_1")), 1)))
    assert (axis_angle - golden("axisangle")[:, 0, 0]).abs().max() < 1e-6
    assert (translation - golden("translation")[:, 0, 0]).abs().max() < 1e-6
    assert golden("translation")[:, 0, 0].abs().max() > 1e-4


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", RESNETS)
def test_features_are_torchvisions(name):
    """The same weights give the same features, in evaluation's and in training's normalization."""
    import torchvision

    theirs = getattr(torchvision.models, name)(weights=None).double()
    for value in theirs.state_dict().values():
        if value.is_floating_point() and value.dim() == 1:
            value.uniform_(0.5, 1.5)
    ours = Encoder(NetworkSettings(name)).double()
    ours.encoder.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 32, 64, dtype=torch.float64)
    for training in (False, True):
        ours.train(training)
        theirs.train(training)
        x = theirs.relu(theirs.bn1(theirs.conv1((images - 0.45) / 0.225)))
        expected = [x.clone()]
        x = theirs.maxpool(x)
        for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
            x = layer(x)
            expected.append(x.clone())
        got = ours(images)
        assert tuple(feature.shape[1] for feature in got) == ours.channels
        for a, b in zip(got, expected):
            assert a.shape == b.shape
            assert (a - b).abs().max() < 1e-9 * b.abs().max()
    for a, b in zip(ours.encoder.buffers(), theirs.buffers()):
        assert torch.allclose(a, b, rtol=1e-9)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "lite"])
def test_channels_last_is_only_a_memory_layout(name):
    settings = NetworkSettings(name, 8)
    encoder, (pose_encoder, _) = Encoder(settings).eval(), build_pose_network(settings)
    pair = torch.rand(1, 6, 64, 96)
    pose_encoder.eval()
    for network, x in ((encoder, pair[:, :3]), (pose_encoder, pair)):
        for a, b in zip(network(x), network(x, channels_last=False)):
            assert torch.allclose(a, b, atol=1e-4)


# The decoder and all families

LITE, WIDER, BOTTLENECK = NetworkSettings("lite", 8), NetworkSettings("lite", 16), NetworkSettings("resnet50")


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("settings, height, width", [(LITE, 64, 64), (LITE, 96, 128), (WIDER, 64, 96),
                                                     (BOTTLENECK, 64, 64)],
                         ids=lambda x: x.encoder if isinstance(x, NetworkSettings) else str(x))
def test_every_family_gives_four_scales_and_a_motion(settings, height, width):
    built = networks(settings)
    encoder = built["encoder"].eval()
    features = encoder(torch.rand(1, 3, height, width))
    assert [tuple(f.shape) for f in features] == [(1, c, height >> i + 1, width >> i + 1)
                                                  for i, c in enumerate(encoder.channels)]
    disps = built["depth"](features)
    assert [tuple(d.shape) for d in disps] == [(1, 1, height >> s, width >> s) for s in range(4)]
    assert all(0 < d.min() and d.max() < 1 for d in disps)
    motion = built["pose"](built["pose_encoder"].eval()(torch.rand(1, 6, height, width)))
    assert [tuple(m.shape) for m in motion] == [(1, 3), (1, 3)]
    assert all(torch.isfinite(m).all() for m in motion)


@torch.no_grad()
def test_the_decoder_is_its_levels_in_turn():
    settings = NetworkSettings("lite", 8)
    encoder = Encoder(settings).eval()
    decoder = DepthDecoder(encoder.channels, settings)
    features = encoder(torch.rand(2, 3, 64, 96))
    x, disps = features[-1], {}
    for level in (4, 3, 2, 1, 0):
        x = decoder.level(level, x, features)
        assert x.shape == (2, decoder.channels[level], 64 >> level, 96 >> level)
        if level < 4:
            disps[level] = decoder.head(level, x)
    assert all(torch.equal(disps[scale], disp) for scale, disp in enumerate(decoder(features)))
    assert decoder.channels == decoder_channels(settings)


def test_lite_is_a_fraction_as_wide():
    small, wide, resnet = (built_once(settings) for settings in (LITE, WIDER, NetworkSettings("resnet18")))
    sizes = [sum(parameters(module) for module in built.values()) for built in (small, wide, resnet)]
    assert sizes[0] < 0.3 * sizes[1] and sizes[1] < 0.05 * sizes[2]
    assert not hasattr(small["encoder"].encoder, "fc")


def test_lite_starts_far_away_and_moving_forward():
    """Disparity starts near its low end, and points come nearer: t_z < 0."""
    model = Model(NetworkSettings("lite", 16)).eval()
    batch = TinySource(2).triplet([0, 1])
    with torch.no_grad():
        disps = model.predict(batch.target).disps
        T = model.motion(batch.target, batch.sources)
    assert 0.02 < disps[0].mean() < 0.4
    assert (T[:, 1, 2, 3] < -0.005).all() and (T[:, 0, 2, 3] > 0.005).all()


def test_coordinates_run_over_the_frame():
    grid = coordinates(torch.empty(2, 5, 4, 6))
    assert grid.shape == (2, 2, 4, 6)
    assert torch.equal(grid[:, 0], -grid[:, 0].flip(-1)) and torch.equal(grid[:, 1], -grid[:, 1].flip(-2))
    assert grid[0, :, 0, 0].tolist() == [-1, -1] and grid[0, :, 3, 5].tolist() == [1, 1]


@pytest.mark.parametrize("arguments, reason", [(("vgg16",), "'vgg16' is unknown; use lite, resnet18"),
                                               (("lite", 12), "width 12"), (("lite", 0), "width 0"),
                                               (("lite", -8), "width -8")])
def test_unknown_networks_are_refused(arguments, reason):
    with pytest.raises(InputError, match=reason):
        NetworkSettings(*arguments)


# The model

@pytest.mark.parametrize("height, width", [(48, 64), (64, 100), (32, 64), (64, 32)])
def test_sizes_that_are_no_multiple_of_32_are_refused(height, width):
    with pytest.raises(InputError, match="not a positive multiple of 32"):
        Model(NetworkSettings("lite", 8)).predict(torch.rand(1, 3, height, width))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["lite", "resnet18"])
def test_motion_sees_the_earlier_frame_first_and_inverts_the_previous(name):
    seed_everything(1)
    model = Model(NetworkSettings(name, 8)).eval()
    batch = TinySource(2).triplet([0, 1])
    T = model.motion(batch.target, batch.sources)
    previous, following = batch.sources.unbind(1)
    back = rigid_transform(*model.pose(model.pose_encoder(torch.cat((previous, batch.target), 1))), invert=True)
    ahead = rigid_transform(*model.pose(model.pose_encoder(torch.cat((batch.target, following), 1))))
    assert torch.allclose(T[:, 0], back, atol=1e-6) and torch.allclose(T[:, 1], ahead, atol=1e-6)
    assert (T[:, 0] - T[:, 1]).abs().max() > 1e-5


def test_a_model_without_pose_takes_the_datas_or_says_so():
    model = Model(NetworkSettings("lite", 8), loss=LOSSES["lesson"], pose="given")
    batch = TinySource(2).triplet([0, 1])
    _, prediction = model(batch)
    assert torch.equal(prediction.T_source_target, batch.T_source_target)
    with pytest.raises(InputError, match="without a pose network"):
        model.motion(batch.target, batch.sources)
    batch.T_source_target = None
    with pytest.raises(InputError, match="has no camera motion, which this needs; train with a learned pose"):
        model(batch)


def test_supervision_by_depth_needs_depth():
    model = Model(NetworkSettings("lite", 8), supervision="depth")
    batch = TinySource(2).triplet([0, 1])
    assert torch.isfinite(model(batch)[0].total)
    batch.depth = None
    with pytest.raises(InputError, match="no true depth"):
        model(batch)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_networks_see_jittered_colors_and_the_loss_plain_ones(loss):
    """With plain frames swapped the prediction stays; with jittered ones swapped the compared images stay."""
    model = Model(NetworkSettings("lite", 8), loss=LOSSES[loss]).eval()
    batch = TinySource(2).triplet([0, 1])
    batch.target_aug, batch.sources_aug = 0.5 * batch.target, 0.5 * batch.sources
    terms, prediction = model(batch)
    batch.target = batch.target.flip(-1)
    other_terms, same_prediction = model(batch)
    assert torch.equal(prediction.depth, same_prediction.depth)
    assert torch.equal(prediction.T_source_target, same_prediction.T_source_target)
    assert abs(terms.photometric - other_terms.photometric) > 1e-3


def test_every_weight_that_learns_gets_a_finite_gradient():
    model = Model(LITE, loss=LOSSES["lesson"])
    model(TinySource(2).triplet([0, 1]))[0].total.backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            assert p.grad is not None and torch.isfinite(p.grad).all(), name
    assert sum(p.grad.abs().sum() for p in model.pose.parameters()) > 0


# Fast forms

@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-15), (torch.float32, 1.2e-7)])
def test_elu_and_its_gradient_are_torch_s(dtype, tolerance):
    x = torch.cat((torch.linspace(-100, 5, 211), torch.linspace(-1e-3, 1e-3, 20))).to(dtype).requires_grad_()
    upstream = torch.linspace(-1, 1, x.numel()).to(dtype)
    ours, theirs = (form(x * 1) for form in (elu, torch.nn.functional.elu))
    assert (ours - theirs).abs().max() <= tolerance
    gradients = [torch.autograd.grad(y, x, upstream)[0] for y in (ours, theirs)]
    assert (gradients[0] - gradients[1]).abs().max() <= tolerance
    assert elu(torch.full((1,), torch.nan)).isnan().all()
    short = torch.linspace(-0.01, 0.01, 9).bfloat16()
    assert torch.equal(elu(short.clone()), torch.nn.functional.elu(short))


def test_a_decoder_block_can_be_traced_mapped_and_differentiated_by_functions():
    block, images = ConvBlock(2, 3).requires_grad_(False), torch.randn(4, 2, 6, 8)
    traced = make_fx(block)(images)
    assert torch.equal(traced(images + 1), block(images + 1))
    x = torch.linspace(-2, 2, 12)
    slope = torch.func.grad(lambda values: elu(values * 1).sum())(x)
    assert torch.allclose(slope, x.clamp(max=0).exp())
    rows = torch.func.vmap(torch.func.grad(lambda values: elu(values * 1).sum()))(x.view(3, 4))
    assert torch.equal(rows.flatten(), slope)
