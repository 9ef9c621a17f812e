"""Tests how the recipes of the package are found: families of one file, and recipes that extend another."""

import pytest

from blurkit.errors import UsageError
from trainer import catalogue as module
from trainer.catalogue import catalogue, extended
from trainer.config import load_recipe, parse_recipe, recipe_names

#: The published systems, and the members of each.
SYSTEMS = {
    "DeblurGAN": {"deblurgan", "deblurgan-fixed"},
    "DeblurGAN-v2": {f"deblurganv2-{network}{source}" for network in ("inception", "mobilenet") for source in ("", "-code")},
    "VEGAN": {f"vegan-{part}" for part in ("baseline", "scale-crop", "smoothness", "scaled-perceptual", "all", "fourier")},
    "NoGAN": {f"nogan-{loss}-{kind}" for loss in ("gan", "lsgan", "wgangp", "ragan") for kind in ("single", "patch", "double")}
    | {
        f"nogan-pretrained-{critic}{frozen}"
        for critic in ("patch", "mobilenetv3", "efficientnet", "seresnext")
        for frozen in ("", "-frozen")
    },
    "Inception-ResNet-dense": {"ird"},
    "Deep generative filter": {"dgf"},
    "IITGN": {"iitgn-wgan", "iitgn-lpips", "iitgn-diffaugment"},
    "NNFL": {"nnfl-vgg16", "nnfl-mobilenetv2", "nnfl-unet"},
    "NAFNet": {"nafnet", "nafnet-64", "nafnet-small"},
    "Our own": {"quick"},
}


@pytest.fixture
def package(monkeypatch):
    """Recipes in place of those of the package."""
    files = {
        "plain": 'summary = "p"\nsteps = 3\n[generator]\nname = "resnet"\nwidth = 8\n[adversarial]\ncritic_steps = 2\n',
        "kind": """
            extends = "plain"
            summary = "k"
            provenance = "K."
            content.l1 = 1.0
            [[variants]]
            ""= {}
            b = { summary = "b", content.mse = 2.0, generator.width = 4 }
            c = { with = ["b"], summary = "c", provenance = "C.", generator.name = "unet", adversarial = "none" }
            [[variants]]
            one = { batch = 1 }
            two = { summary = "two", batch = 2 }
        """,
    }
    monkeypatch.setattr(module, "packaged_names", lambda _: sorted(files))
    monkeypatch.setattr(module, "packaged_text", lambda _, name: files[name])
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.mark.usefixtures("package")
def test_parts_of_each_table_make_the_recipes_of_a_file():
    assert recipe_names() == ["kind-one", "kind-two", "kind-b-one", "kind-b-two", "kind-c-one", "kind-c-two", "plain"]
    first, last = load_recipe("kind-one"), load_recipe("kind-c-two")
    assert (first.name, first.summary, first.provenance, first.batch, first.steps) == ("kind-one", "k.", "K.", 1, 3)
    assert first.generator == {"name": "resnet", "width": 8}
    assert (last.summary, last.provenance, last.batch) == ("k, b, c, two.", "K. C.", 2)
    assert last.content.terms == {"perceptual": 100.0, "l1": 1.0, "mse": 2.0}


@pytest.mark.usefixtures("package")
def test_tables_are_overlaid_unless_they_name_another_network_or_are_dropped():
    assert load_recipe("kind-b-one").generator == {"name": "resnet", "width": 4}
    assert load_recipe("kind-b-one").adversarial.critic_steps == 2
    assert load_recipe("kind-c-one").generator["name"] == "unet"
    assert load_recipe("kind-c-one").adversarial is None


def test_a_file_of_ones_own_extends_a_recipe_of_the_package(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\nextends = "nafnet"\n[generator]\nwidth = 16\n[optimizer]\nrate = 5e-4\n')
    mine, base = load_recipe(str(tmp_path / "mine.toml"), ["batch=4"]), load_recipe("nafnet")
    assert (mine.name, mine.batch, mine.steps, mine.optimizer.ema) == ("mine", 4, base.steps, base.optimizer.ema)
    assert mine.generator == {"name": "nafnet", "width": 16}
    assert parse_recipe(mine.toml(), where="its own text") == mine
    with pytest.raises(UsageError, match="extends an unknown recipe 'nafnt'; did you mean 'nafnet'"):
        parse_recipe('extends = "nafnt"', where="mine")
    assert extended({"steps": 3}, where="") == {"steps": 3}


def test_each_published_system_has_its_recipes():
    found = {}
    for name in recipe_names():
        found.setdefault(load_recipe(name).system, set()).add(name)
    assert found == SYSTEMS


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UsageError, match="did you mean 'nogan-lsgan-patch'"):
        load_recipe("nogan-lsgn-patch")


def test_weights_of_losses_are_the_published_ones():
    terms = {
        name: (load_recipe(name).content.terms, load_recipe(name).adversarial.weight) for name in ("ird", "dgf", "iitgn-lpips")
    }
    assert terms == {
        "ird": ({"perceptual": 100.0, "l1": 170.0}, 1.0),
        "dgf": ({"perceptual": 145.0, "l1": 170.0}, 1.0),
        "iitgn-lpips": ({"lpips": 145.0, "l1": 170.0}, 1.0),
    }
    for name in SYSTEMS["DeblurGAN-v2"] | SYSTEMS["NoGAN"]:
        recipe = load_recipe(name)
        assert recipe.content.terms == {"perceptual": 0.006, "mse": 0.5}
        assert recipe.adversarial.weight == (0.001 if name.endswith("-code") else 0.01)
        assert (recipe.steps, recipe.batch, recipe.optimizer.rate) == (200_000, 1, 1e-4)


def test_the_rate_of_the_code_of_deblurgan_v2_ends_at_a_quarter():
    """After epoch 50 of 200 its rate falls by (first - last) / 200 per epoch."""
    recipe = load_recipe("deblurganv2-inception-code")
    for epoch in (0, 49, 50, 51, 125, 199):
        expected = 1e-4 - (1e-4 - 1e-7) / 200 * max(epoch - 50, 0)
        assert recipe.rate(1000 * epoch + 7) == pytest.approx(expected, rel=1e-9)
