"""Losses, compared with finite differences, closed forms, and the VGG-19 of torchvision with random weights."""

import urllib.error

import pytest
import torch
import torchvision
from tensors import random_tensor

from blurkit.errors import UsageError
from trainer.config import Adversarial, ContentWeights
from trainer.losses import vgg
from trainer.losses.adversarial import critic_loss, generator_loss, gradient_penalty
from trainer.losses.content import build_content
from trainer.networks.critics import build_critic

torch.set_num_threads(1)


def small_critic():
    torch.manual_seed(3)
    critic = build_critic({"name": "patch", "layers": 1, "width": 4}).double()
    for parameter in critic.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return critic


def input_gradients(critic, photographs, step=1e-5):
    """The gradient of the summed scores of each sample, by central differences for each pixel."""
    answer = torch.empty_like(photographs)
    with torch.no_grad():
        for place in range(photographs[0].numel()):
            change = torch.zeros_like(photographs[0]).flatten()
            change[place] = step
            change = change.view_as(photographs[0])
            difference = critic(photographs + change)[0] - critic(photographs - change)[0]
            answer.flatten(1)[:, place] = difference.sum((1, 2, 3)) / (2 * step)
    return answer


@pytest.mark.parametrize("alphas", [[0.3], [0.3, 0.8]])
@pytest.mark.parametrize("gp", ["pixel", "sample"])
def test_the_penalty_equals_finite_differences(gp, alphas):
    critic, fake, real = small_critic(), random_tensor(2, 3, 6, 8, seed=1), random_tensor(2, 3, 6, 8, seed=2)
    alpha = torch.tensor(alphas, dtype=torch.float64).view(-1, 1, 1, 1)
    gradient = input_gradients(critic, alpha * real + (1 - alpha) * fake)
    norms = gradient.square().sum(1).sqrt() if gp == "pixel" else gradient.square().sum((1, 2, 3)).sqrt()
    expected = (norms - 1).square().mean()
    penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=gp)
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-8)
    terms = critic_loss(Adversarial(gp=gp), critic, fake, real, alpha=alpha)
    assert terms["penalty"].item() == pytest.approx(10 * expected.item(), rel=1e-8)


@pytest.mark.parametrize("gp", ["pixel", "sample"])
def test_the_gradient_of_the_penalty_equals_finite_differences(gp):
    critic, fake, real = small_critic(), random_tensor(1, 3, 6, 8, seed=1), random_tensor(1, 3, 6, 8, seed=2)
    alpha = torch.full((1, 1, 1, 1), 0.4)
    weight, step = critic.model[2].weight, 1e-6
    (gradient,) = torch.autograd.grad(gradient_penalty(critic, fake, real, alpha=alpha, gp=gp), weight)
    for place in [(0, 0, 0, 0), (3, 2, 1, 3), (7, 1, 2, 2)]:
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            ends.append(gradient_penalty(critic, fake, real, alpha=alpha, gp=gp).item())
            with torch.no_grad():
                weight[place] -= sign * step
        assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("gp", ["pixel", "sample"])
@pytest.mark.parametrize("joint", [False, True])
def test_a_step_of_the_critic_is_that_of_the_published_code(gp, joint):
    critic, fake, real = small_critic(), random_tensor(3, 3, 16, 16, seed=1), random_tensor(3, 3, 16, 16, seed=2)
    alpha = random_tensor(1, 1, 1, 1) / 2 + 0.5
    ours = sum(critic_loss(Adversarial(gp=gp, joint=joint), critic, fake, real, alpha=alpha).values())

    mixed = (real * alpha.expand(real.size()) + fake * (1 - alpha.expand(real.size()))).requires_grad_(True)
    (scores,) = critic(mixed)
    gradient = torch.autograd.grad(scores, mixed, torch.ones(scores.size(), dtype=torch.float64), create_graph=True)[0]
    norms = gradient.norm(2, dim=1) if gp == "pixel" else gradient.view(3, -1).norm(2, dim=1)
    plain = critic(fake)[0].mean() - critic(real)[0].mean() + ((norms - 1) ** 2).mean() * 10

    assert ours.item() == pytest.approx(plain.item(), rel=1e-12)
    pairs = zip(*(torch.autograd.grad(loss, list(critic.parameters())) for loss in (ours, plain)), strict=True)
    assert max((a - b).abs().max() for a, b in pairs) < 1e-11


def test_only_the_loss_of_the_generator_has_a_gradient_for_the_generator():
    critic, real, alpha = small_critic(), random_tensor(1, 3, 8, 8), torch.full((1, 1, 1, 1), 0.4)
    fake = random_tensor(1, 3, 8, 8, seed=1).requires_grad_()
    sum(critic_loss(Adversarial(), critic, fake, real, alpha=alpha).values()).backward()
    assert fake.grad is None
    loss = generator_loss(critic, fake)
    assert loss.item() == pytest.approx(-critic(fake)[0].mean().item(), rel=1e-12)
    loss.backward()
    expected = -input_gradients(critic, fake.detach()) / critic(fake)[0].numel()
    assert torch.allclose(fake.grad, expected, rtol=1e-6, atol=1e-9)


def test_a_constant_critic_has_a_finite_penalty():
    critic = small_critic().float()
    torch.nn.init.zeros_(critic.model[-1].weight)
    fake, real, alpha = (
        random_tensor(2, 3, 8, 8).float(),
        random_tensor(2, 3, 8, 8, seed=1).float(),
        torch.full((1, 1, 1, 1), 0.4),
    )
    for gp in ("pixel", "sample"):
        penalty = gradient_penalty(critic, fake, real, alpha=alpha, gp=gp)
        assert penalty == 1
        gradients = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_under_bfloat16_the_penalty_stays_float32():
    critic = small_critic().float()
    fake, real, alpha = (
        random_tensor(2, 3, 16, 16).float(),
        random_tensor(2, 3, 16, 16, seed=1).float(),
        torch.full((1, 1, 1, 1), 0.4),
    )
    exact = critic_loss(Adversarial(), critic, fake, real, alpha=alpha)
    with torch.autocast("cpu", torch.bfloat16):
        terms = critic_loss(Adversarial(), critic, fake, real, alpha=alpha)
        half = critic_loss(Adversarial(), critic, fake.bfloat16().float(), real.bfloat16(), alpha=alpha)
    assert torch.equal(terms["penalty"], exact["penalty"])
    double = critic_loss(Adversarial(), critic.double(), fake.double(), real.double(), alpha=alpha)
    assert terms["penalty"].item() == pytest.approx(double["penalty"].item(), rel=1e-5)
    assert half["penalty"].dtype == torch.float32
    assert terms["critic"].dtype == torch.float32
    assert terms["critic"].item() != exact["critic"].item()
    assert terms["critic"].item() == pytest.approx(exact["critic"].item(), abs=0.02)


@pytest.fixture(scope="module")
def published():
    """The first layers of the VGG-19 of torchvision, with random weights. The other layers are never allocated."""
    with torch.device("meta"):
        features = torchvision.models.vgg19(weights=None).features[:15]
    torch.manual_seed(4)
    features.to_empty(device="cpu")
    for parameter in features.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    return features


@pytest.fixture(scope="module")
def weights_file(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg19-random.pth"
    state = {f"features.{name}": value for name, value in published.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2)}, path)
    return path


def test_perceptual_is_the_mean_square_of_features_14(published, weights_file):
    restored, sharp = random_tensor(2, 3, 16, 24, seed=1).requires_grad_(), random_tensor(2, 3, 16, 24, seed=2).requires_grad_()
    content = build_content(ContentWeights(vgg_weights=str(weights_file))).double()
    losses = content(restored, sharp)
    plain = published.double()
    expected = (plain(restored) - plain(sharp)).square().mean()
    assert losses["perceptual"].item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.autograd.grad(losses["perceptual"], sharp, retain_graph=True, allow_unused=True) == (None,)
    gradients = [torch.autograd.grad(loss, restored)[0] for loss in (losses["perceptual"], expected)]
    assert torch.allclose(*gradients, rtol=0, atol=1e-12)
    published.float()


def test_the_features_are_frozen_and_names_need_no_prefix(published, tmp_path):
    torch.save(published.state_dict(), tmp_path / "features.pth")
    before = torch.get_rng_state()
    content = build_content(ContentWeights(vgg_weights=str(tmp_path / "features.pth")))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(parameter.requires_grad for parameter in content.parameters())
    assert torch.equal(content.features[14].weight, published[14].weight)
    assert [str(layer) for layer in content.features] == [str(layer) for layer in published]


def test_bfloat16_features_give_a_float32_loss(weights_file):
    content = build_content(ContentWeights(l1=1, vgg_weights=str(weights_file)))
    restored, sharp = random_tensor(1, 3, 16, 16, seed=1).float(), random_tensor(1, 3, 16, 16, seed=2).float()
    exact = content(restored, sharp)
    with torch.autocast("cpu", torch.bfloat16):
        losses = content(restored.bfloat16(), sharp)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert losses["perceptual"].item() != exact["perceptual"].item()
    assert losses["perceptual"].item() == pytest.approx(exact["perceptual"].item(), rel=0.02)


def test_pixel_terms_are_their_definitions():
    restored, sharp = random_tensor(2, 3, 4, 5, seed=1), random_tensor(2, 3, 4, 5, seed=2)
    content = build_content(ContentWeights(perceptual=0.0, l1=2.0, mse=3.0, charbonnier=0.5))
    losses = content(restored, sharp)
    difference = (restored - sharp).numpy()
    expected = {"l1": abs(difference).mean(), "mse": (difference**2).mean()}
    expected["charbonnier"] = ((difference**2 + 1e-6) ** 0.5).mean()
    assert {term: loss.item() for term, loss in losses.items()} == pytest.approx(expected, rel=1e-12)
    assert content.weights == {"l1": 2.0, "mse": 3.0, "charbonnier": 0.5}


def test_charbonnier_has_a_gradient_where_the_photographs_agree():
    restored = random_tensor(1, 3, 4, 4).requires_grad_()
    build_content(ContentWeights(perceptual=0.0, charbonnier=1.0))(restored, restored.detach())["charbonnier"].backward()
    assert not restored.grad.any()


def test_missing_weights_name_both_remedies(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(
        UsageError, match=r"no route to host.*content.vgg_weights=PATH, or put a copy at .*vgg19-dcbb9e9d.pth, or train without"
    ):
        build_content(ContentWeights())
    with pytest.raises(UsageError, match=r"absent.pth: no such file; name a copy"):
        build_content(ContentWeights(vgg_weights=str(tmp_path / "absent.pth")))


def test_the_weights_of_torchvision_are_downloaded_with_a_digest(monkeypatch, published):
    asked = {}

    def download(url, **options):
        asked.update(options, url=url)
        return {f"features.{name}": value for name, value in published.state_dict().items()}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    assert torch.equal(vgg.features()[0].weight, published[0].weight)
    assert asked["url"] == torchvision.models.VGG19_Weights.IMAGENET1K_V1.url
    assert asked["check_hash"]
    assert asked["weights_only"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not weights", "cannot be read as weights.*; name a copy"),
        ([1, 2], "holds a list"),
        ({"features.0.weight": 3}, "'features.0.weight' is missing; name a copy"),
        ({}, "'features.0.weight' is missing"),
        ("wrong shape", "no weights of VGG-19.*size mismatch for 0.weight"),
    ],
)
def test_files_without_weights_of_vgg_are_refused(published, tmp_path, content, message):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({**published.state_dict(), "0.weight": torch.zeros(3)} if content == "wrong shape" else content, path)
    with pytest.raises(UsageError, match=message):
        build_content(ContentWeights(vgg_weights=str(path)))
