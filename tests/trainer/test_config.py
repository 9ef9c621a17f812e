"""Tests training recipes: their values, the errors for wrong settings, and the published schedules."""

import json
import math

import pytest

from blurkit.errors import UsageError
from trainer.config import FIRST, NETWORKS, Schedule, TrainingRecipe, differences, load_recipe, parse_recipe, recipe_names
from trainer.sections import Adversarial
from trainer.specs import options_of


def test_the_packaged_recipes_are_valid_and_differ():
    recipes = {name: load_recipe(name) for name in recipe_names()}
    assert {"deblurgan", "deblurgan-fixed", "quick"} <= set(recipes)
    assert len({recipe.digest for recipe in recipes.values()}) == len(recipes)
    for name, recipe in recipes.items():
        assert recipe.name == name
        assert recipe.summary
        assert recipe.provenance
        again = parse_recipe(recipe.toml(), where="its own text")
        assert again == recipe
        assert again.digest == recipe.digest


def test_deblurgan_is_as_published():
    recipe = load_recipe("deblurgan")
    assert recipe.generator == {"name": "resnet"}
    assert recipe.critic == {"name": "patch"}
    assert (recipe.batch, recipe.crop, recipe.optimizer.rate, recipe.optimizer.betas) == (1, 256, 1e-4, (0.5, 0.999))
    assert recipe.content.terms == {"perceptual": 100.0}
    assert recipe.adversarial is not None
    assert (recipe.augment.flips, recipe.augment.transpose) == ("horizontal", False)
    assert (recipe.adversarial.gp, recipe.adversarial.critic_steps, recipe.adversarial.penalty) == ("pixel", 5, 10.0)
    rate, epoch = 1e-4, 2103  # published: constant for 150 epochs, then lower after each epoch
    for number in range(1, 301):
        for step in ((number - 1) * epoch, number * epoch - 1):
            assert 1e-4 * recipe.schedule.factor(step, recipe.steps) == pytest.approx(rate, rel=1e-9)
        rate -= 1e-4 / 150 if number > 150 else 0
    assert recipe.steps == 300 * epoch


def test_the_cosine_rises_and_falls():
    schedule = Schedule(kind="cosine", warmup=10, hold=20)
    found = [schedule.factor(step, 120) for step in range(120)]
    assert found[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert found[10:21] == [1.0] * 11
    assert found[70] == pytest.approx(0.5)
    assert found[119] == pytest.approx(math.sin(math.pi / 200) ** 2)
    assert all(Schedule().factor(step, 5) == 1 for step in range(5))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("bach=3", "unknown key 'bach'; did you mean 'batch'"),
        ("generator.width=wide", "generator.width takes a value like 64, got 'wide'"),
        ("batch=0", "batch is at least 1, got 0"),
        ("steps=10.5", "steps takes a whole number"),
        ("accumulate=3", "batch is a multiple of accumulate, got 8 and 3"),
        ("schedule.kind=cosin", "did you mean 'cosine'"),
        ("content.psnr=0", "no loss with a weight above zero"),
        ("optimizer.betas=[0.5, 1.0]", "optimizer.betas"),
        ("adversarial.critic_steps=101", "critic_steps is from 0"),
        ("adversarial.queue=-1", "adversarial.queue is from 0"),
        ("content.lpips_network=alex", "did you mean 'alexnet'"),
        ("content.perceptual_layers=[1.5]", "content.perceptual_layers takes a whole number"),
        ("augment.scale_crop=-1", "augment.scale_crop takes values within"),
        ("adversarial.objective=wgangp", "did you mean 'wgan-gp'"),
        ("adversarial.gp=pixels", "did you mean 'pixel'"),
        ("adversarial.penalty=-1", "adversarial.penalty takes values within"),
        ("content.l1=-1", "the weights of [content] takes values within"),
        ("content.perceptal=1", "did you mean 'content.perceptual'"),
        ("seed=-1", "seed lies between"),
        ("augment.flips=true", "augment.flips takes a text"),
        ("augment.flips=horizontl", "did you mean 'horizontal'"),
    ],
)
def test_invalid_values_are_refused(setting, message):
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        load_recipe("quick", [setting])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["critic.conditional=true", 'adversarial.diffaugment=["cutout"]'], "moves one of them alone"),
        (['critic={name="classifier", pretrained=true, conditional=true}'], "those for one photograph"),
        (["crop=66"], "generator 'residual-unet' needs a crop that is a multiple of 4 and at least 4 pixels, got 66"),
        (['generator={name="fpn"}', "crop=32"], "a multiple of 32 and at least 64"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("quick", settings)


def test_a_missing_recipe_or_invalid_toml_is_refused(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        load_recipe("quik")
    (tmp_path / "a.toml").write_text("batch = = 3")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_recipe(str(tmp_path / "a.toml"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))


def test_the_digest_covers_the_values_that_decide_the_weights():
    recipe = load_recipe("quick")
    for setting in ("name=other", "log_every=7", "checkpoint_every=9", "validate_pairs=3"):
        assert load_recipe("quick", [setting]).digest == recipe.digest
        assert differences(load_recipe("quick", [setting]), recipe) == []
    for setting in ("seed=8", "steps=7", "generator.width=17", "precision.bf16=false", "adversarial={}"):
        assert load_recipe("quick", [setting]).digest != recipe.digest
    changed = differences(recipe, load_recipe("quick", ["batch=4", "optimizer.rate=2e-3"]))
    assert changed == ["batch 8 there, 4 here", "optimizer.rate 0.0006 there, 0.002 here"]
    assert TrainingRecipe().adversarial is None


def test_settings_are_checked_when_all_are_in_place():
    """The message about [content] advises to set another loss, and the order of settings does not matter."""
    for settings in (["content.psnr=0", "content.l1=100"], ["content.l1=100", "content.psnr=0"]):
        assert load_recipe("quick", settings).content.terms == {"l1": 100.0}
    with pytest.raises(UsageError, match=r"^--set batch=4 --set steps=many: steps takes a whole number"):
        load_recipe("quick", ["batch=4", "steps=many"])
    with pytest.raises(UsageError, match="takes KEY=VALUE, got 'batch'"):
        load_recipe("quick", ["steps=3", "batch"])
    assert load_recipe("quick", ["steps=3", "steps=4"]).steps == 4  # the last one counts
    assert load_recipe("quick", ["adversarial=none", "adversarial.critic_steps=3"]).adversarial == Adversarial(critic_steps=3)


def test_keys_that_are_younger_than_a_run_do_not_change_its_digest():
    text = 'steps = 7\n[adversarial]\n[content]\nl1 = 2.0\n[augment]\nflips = "none"\n'
    recipe = parse_recipe(text, where="text")
    assert recipe.digest == "1e164643dd2f9c0e355bf7a4aeb517657c7d3036e739d877edf333c63d40284a"  # of the first version
    for key in ("adversarial]\nqueue = 3", "content]\nlpips = 1.0", 'augment]\nwarps = ["optical"]'):
        section = key.split("]")[0]
        changed = parse_recipe(text.replace(f"{section}]", key), where="text")
        assert changed.digest != recipe.digest
        assert parse_recipe(changed.toml(), where="its own text") == changed


def test_the_usual_critic_steps_are_those_of_the_objective():
    text = "[adversarial]\nobjective = "
    steps = {name: parse_recipe(f'{text}"{name}"', where="text").adversarial.critic_steps for name in ("wgan", "lsgan", "ragan")}
    assert steps == {"wgan": 5, "lsgan": 1, "ragan": 1}


@pytest.mark.parametrize("kind", ["generator", "critic"])
def test_every_option_of_every_network_is_in_the_digest(kind):
    """Also an option whose value is that of the first network, which every digest begins with."""
    for name, maker in NETWORKS[kind].items():
        usual = load_recipe("deblurgan", [f'{kind}={{name="{name}"}}'])
        for option, first in FIRST[kind].items():
            if option == "name" or options_of(maker).get(option, first) == first:
                continue
            text = json.dumps(first)
            changed = load_recipe("deblurgan", [f'{kind}={{name="{name}", {option}={text}}}'])
            assert changed.digest != usual.digest, (name, option)
