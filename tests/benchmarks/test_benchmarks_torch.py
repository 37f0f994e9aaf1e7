"""The loops that gandem's speed is measured against, on PyTorch: same networks, and they learn."""

import runpy
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gandem.core.specs import load_spec, parse_setting, plan_spec

pytest.importorskip("torch")
pytest.importorskip("torchvision")

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
SIZES = {
    "cgan": (1_491_215, 80_385),
    "dcgan": (771_969, 138_689),
    "dcgan-dropout": (798_049, 382_209),
    "mlp-gan": (1_508_240, 533_505),
    "upsample-gan": (53_009, 84_761),
    "wgan-gp": (771_969, 150_977),
}
"""Parameters of generator and discriminator, as ``gandem show`` counts them."""
KINDS = {"notebooks_torch": "NOTEBOOKS", "experts_torch": "EXPERTS"}
IMAGES = np.random.default_rng(0).integers(0, 256, (70, 28, 28, 1), dtype=np.uint8)
LABELS = np.arange(70) % 10

each_kind = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


@pytest.fixture
def module(kind: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SPEED)
    monkeypatch.delitem(sys.modules, kind, raising=False)
    result = import_module(kind)
    monkeypatch.setattr(result, "prepare", lambda device: None, raising=False)  # of the process
    return result


@each_kind
def test_both_loops_of_every_lesson_are_there(kind: str, module: ModuleType) -> None:
    assert set(getattr(module, KINDS[kind])) == set(SIZES)


@each_kind
@pytest.mark.parametrize("model", SIZES)
def test_a_loop_trains_networks_of_the_models_size(
    kind: str, module: ModuleType, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    adam = module.torch.optim.Adam

    def counting(weights: object, **more: object) -> object:
        weights = list(weights)
        counted.append(sum(weight.numel() for weight in weights))
        return adam(weights, **more)

    monkeypatch.setattr(module.torch.optim, "Adam", counting)

    getattr(module, KINDS[kind])[model](IMAGES, LABELS)

    assert sorted(counted) == sorted(SIZES[model])


@each_kind
def test_a_loop_goes_on_where_it_stopped_and_reads_its_losses(
    kind: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[object] = []
    adam = module.torch.optim.Adam

    def noting(given: object, **more: object) -> object:
        weights.extend(given := list(given))
        return adam(given, **more)

    monkeypatch.setattr(module.torch.optim, "Adam", noting)
    loop = getattr(module, KINDS[kind])["mlp-gan"](IMAGES, LABELS)

    for steps in (1, 3):  # the second and fourth end an epoch, with a batch of 6
        before = [weight.detach().clone() for weight in weights]
        loop(steps)
        assert not any(map(module.torch.equal, before, weights))
        assert all(isinstance(loss, float) for loss in loop.losses[-1])
        assert np.isfinite(loop.losses[-1]).all()


@each_kind
def test_a_critic_learns_five_times_a_step(
    kind: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = getattr(module, KINDS[kind])["wgan-gp"](IMAGES[:4], LABELS[:4])
    sizes: list[int] = []
    update = module.torch.optim.Adam.step

    def counting(adam: object) -> object:
        sizes.append(sum(weight.numel() for weight in adam.param_groups[0]["params"]))
        return update(adam)

    monkeypatch.setattr(module.torch.optim.Adam, "step", counting)

    loop(1)

    generator, critic = SIZES["wgan-gp"]
    assert sizes == [critic] * 5 + [generator]


@pytest.mark.parametrize("kind", ["experts_torch"])
def test_dropout_by_bytes_drops_what_it_says_and_keeps_the_mean(
    kind: str, module: ModuleType
) -> None:
    module.torch.manual_seed(0)
    ones = module.torch.ones(64, 64, 7, 7)

    dropped = module.Dropout()(ones)

    assert abs((dropped == 0).float().mean().item() - 77 / 256) < 5e-3
    assert abs(dropped.mean().item() - 1) < 5e-3


# --- residual models ------------------------------------------------------------------------------

RESIDUAL = ("sngan", "sagan", "r3gan")


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        *(("experts_residual_torch", model) for model in RESIDUAL),
        ("experts_multiscale_torch", "msg-gan"),
    ],
)
def test_a_residual_loop_trains_networks_of_the_models_size(
    kind: str, module: ModuleType, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = runpy.run_path(str(SPEED / "__main__.py"), run_name="speed")["NARROW"][model]
    settings = dict(parse_setting(f"{key}={value}") for key, value in narrow.items())
    plans = plan_spec(load_spec(model, settings)).values()
    counted: list[int] = []
    adam = module.torch.optim.Adam

    def counting(weights: object, **more: object) -> object:
        weights = list(weights)
        counted.append(sum(weight.numel() for weight in weights))
        return adam(weights, **more)

    monkeypatch.setattr(module.torch.optim, "Adam", counting)

    loop = module.EXPERTS[model](IMAGES, LABELS)
    loop(2)

    assert counted == [plan.parameter_count for plan in plans]
    assert np.isfinite(loop.losses[-1]).all()
