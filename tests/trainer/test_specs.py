"""Tests specifications of networks: options are those of the constructors, and old recipes stay what they were."""

import inspect
import json
import pkgutil

import pytest
from fresh_interpreter import loaded_after
from tiny_runs import RECIPE

from blurkit.errors import UsageError
from trainer.config import TrainingRecipe, load_recipe, parse_recipe
from trainer.specs import CRITICS, GENERATORS, checked, options_of, sizes_of

#: The digests of recipes of the first version, by which a run knows whether it may continue a checkpoint.
DIGESTS = {
    "deblurgan": "d0ca5958a327530bc552419362631d226e9aba89e594bd5bd5310d5703f916b4",
    "deblurgan-fixed": "f4d8447d00888d2914f0fdc5fa576ed6412db6188ce226dbca9f722c5188ace2",
    "quick": "c37d61c26ce332e5781cc3c5fdea0d65e724ad602b094c07b386ea03c9d05148",
}
#: The recipe ``quick`` of the first version.
QUICK = """
name = "quick"
steps = 500
batch = 8
crop = 96
checkpoint_every = 100
log_every = 20
validate_every = 100

[generator]
name = "residual-unet"
width = 24

[critic]
name = "patch"
width = 16

[adversarial]
objective = "wgan-gp"
gp = "sample"
joint = true
weight = 1e-3
critic_steps = 1
start = 400

[content]
perceptual = 0.0
charbonnier = 1.0

[optimizer]
rate = 2e-3
betas = [0.9, 0.999]
ema = 0.99

[schedule]
kind = "cosine"
warmup = 50

[precision]
bf16 = true
channels_last = true
"""
#: Its networks as the first version wrote them to the recipe of a run.
FIRST = """
[generator]
name = "residual-unet"
blocks = 9
width = 24
dropout = 0.5
upsampling = "transposed"
skip = true

[critic]
name = "patch"
width = 16
layers = 0
"""


@pytest.mark.parametrize("maker", [*GENERATORS.values(), *CRITICS.values()])
def test_options_are_those_of_the_constructor(maker):
    parameters = inspect.signature(pkgutil.resolve_name(maker)).parameters.values()
    assert json.dumps(options_of(maker)) == json.dumps({parameter.name: parameter.default for parameter in parameters})
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("maker", GENERATORS.values())
def test_sizes_that_are_known_without_building_are_those_of_the_class(maker):
    network = pkgutil.resolve_name(maker)
    known = {part for each in network.__mro__ if each.__module__ == network.__module__ for part in vars(each)}
    sizes = tuple(getattr(network, name) if name in known else 1 for name in ("multiple", "least"))
    assert sizes_of(maker) == sizes


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items())
def test_the_digests_of_the_first_recipes_stay(name, digest):
    recipe = parse_recipe(QUICK, where="") if name == "quick" else load_recipe(name)
    assert recipe.digest == digest
    assert parse_recipe(recipe.toml(), where="its own text").digest == digest


def test_recipes_of_the_first_runs_are_read():
    assert TrainingRecipe().digest == "143cc5c040874524029f9c922941586c3263a6662481809df3823a70c0ceddb3"
    assert parse_recipe(RECIPE, where="").digest == "bca11ae2c670a0c69b49126df8dfef1aba034d62e2916846c6a27279684e7945"
    quick = parse_recipe(QUICK, where="")
    text = quick.toml()
    begin, end = text.index("[generator]"), text.index("[adversarial]")
    old = parse_recipe(text[:begin] + FIRST + text[end:], where="")
    assert old == quick
    assert (old.generator, old.critic) == ({"name": "residual-unet", "width": 24}, {"name": "patch", "width": 16})
    assert old.digest == DIGESTS["quick"]


def test_a_specification_is_as_short_as_it_can_be():
    assert checked("generator", GENERATORS, {"width": 64, "name": "resnet", "dropout": 0, "blocks": 9}) == {
        "name": "resnet",
        "dropout": 0.0,
    }
    long = {"name": "nafnet", "encoder": (1, 1, 1, 28), "decoder": (1, 1), "width": 32}
    assert checked("generator", GENERATORS, long) == {"name": "nafnet", "decoder": [1, 1]}
    assert load_recipe("quick", ["critic.layers=0", "generator.width=32"]).digest == load_recipe("quick").digest
    assert load_recipe("deblurgan", ["generator.mc_dropout=true"]).generator == {"name": "resnet", "mc_dropout": True}


def test_a_recipe_is_printed_with_every_option_of_its_networks():
    text = load_recipe("deblurgan", ['generator={name="nafnet", width=16}', "critic.name=double"]).toml()
    assert '[generator]\nname = "nafnet"\nwidth = 16\nencoder = [1, 1, 1, 28]\nmiddle = 1\n' in text
    assert '[critic]\nname = "double"\nwidth = 64\nconditional = false\nweights = ""\nfrozen = false\n' in text
    assert parse_recipe(text, where="").generator == {"name": "nafnet", "width": 16}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("generator.name=resent", "unknown generator 'resent'; did you mean 'resnet'"),
        ("generator.widht=3", "unknown option 'widht'; did you mean 'width'"),
        ("generator.blocks=3", "generator 'residual-unet': unknown option 'blocks'"),
        ("critic.layers=2.5", "critic.layers takes a value like 0, got 2.5"),
        ("critic.conditional=1", "critic.conditional takes a value like False, got 1"),
        ("critic=3", r"critic is a section, \[critic\], got 3"),
        ("critic.name=3", "unknown critic '3'"),
    ],
)
def test_a_wrong_network_is_refused_when_the_recipe_is_loaded(setting, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("quick", [setting])


def test_a_recipe_is_checked_without_torch():
    loaded = loaded_after("from trainer.config import load_recipe; load_recipe('deblurgan', ['generator.name=nafnet'])")
    assert not loaded & {"torch", "timm", "torchvision"}
