"""Tests recipes: their values, the errors for wrong settings, and their digest."""

import tomllib

import numpy as np
import pytest
from kernels import centroid

from blurkit.errors import UsageError
from blurkit.kernels.bank import KernelBank
from blurkit.pair.shake import draw_shake
from blurkit.recipes.load import load_recipe, packaged_text, recipe_from_toml, recipe_names

COMPLETE = [name for name in recipe_names() if name != "bank"]
SHAKEN = [name for name in COMPLETE if load_recipe(name).trajectory]


@pytest.fixture
def bank(tmp_path):
    kernels = [np.outer([1, 2, 1], [0, 1, 3]), np.eye(5)]
    KernelBank.from_arrays(kernels).save(tmp_path / "two.npz")
    return tmp_path / "two.npz"


def test_the_packaged_recipes_are_there_and_say_where_they_come_from():
    assert {"bank", "clean", "deblurgan", "handheld"} <= set(recipe_names())
    for name in recipe_names():
        values = tomllib.loads(packaged_text(name))
        assert values["name"] == name
        assert len(values["summary"]) > 30
        assert len(values["provenance"]) > 30


@pytest.mark.parametrize("name", COMPLETE)
def test_a_recipe_survives_its_own_toml(name):
    recipe = load_recipe(name)
    again = recipe_from_toml(recipe.portable_toml())
    assert again == recipe
    assert again.digest() == recipe.digest()


def test_the_digest_stands_for_what_changes_pixels():
    digest = load_recipe("handheld").digest()
    assert load_recipe("handheld", ['name="mine"', 'summary="other words"']).digest() == digest
    assert load_recipe("handheld", ["trajectory.length=[5, 40]"]).digest() != digest
    assert load_recipe("handheld", ["jpeg=none"]).digest() != digest
    assert len({load_recipe(name).digest() for name in COMPLETE}) == len(COMPLETE)


def test_settings_take_toml_values_words_and_none():
    recipe = load_recipe("handheld", ["trajectory.length=7", "kernel.anchor=start", "noise=none", "jpeg.share=1"])
    assert recipe.trajectory.length == (7.0, 7.0)
    assert recipe.kernel.anchor == "start"
    assert recipe.noise is None
    assert recipe.jpeg.share == 1.0
    assert load_recipe("clean", ["noise.shot=1e-4"]).noise.shot == (1e-4, 1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trajectory.lenght=3", "did you mean 'trajectory.length'"),
        ("length=3", "did you mean 'trajectory.length'"),
        ("trajectory.length=[3, 2]", "lower end first"),
        ("trajectory.length=[1, 2, 3]", "ends of a range"),
        ("trajectory.anxiety=[]", "takes values within"),
        ("trajectory.process=brownian", "boracchi-foi"),
        ("trajectory.samples=1.5", "whole number"),
        ("kernel.exposure=[0.5, 2]", "within"),
        ("jpeg=5", "is a section"),
        ("jpeg.quality=[0, 100]", "within"),
        ("jpeg.share=nan", "finite number"),
        ("noise.read_offset=3000", "within"),
        ("response.encode=nosuch", "none of srgb"),
        ("response.decode=7", "takes a text"),
        ("noise.shot=true", "takes a number"),
        ("noise", "KEY=VALUE"),
        ("trajectory=none", "kernels=FILE"),
    ],
)
def test_bad_settings_name_the_key_and_the_remedy(setting, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("handheld", [setting])


def test_an_absent_section_can_be_left_out_again():
    assert load_recipe("clean", ["noise=none"]) == load_recipe("clean")


def test_two_files_of_one_name_both_count(tmp_path):
    for folder, exponent in (("a", 1.5), ("b", 1.6)):
        (tmp_path / folder).mkdir()
        np.savetxt(tmp_path / folder / "curve.txt", np.linspace(0, 1, 256) ** exponent)
    settings = [f"response.decode={tmp_path}/a/curve.txt", f"response.encode={tmp_path}/b/curve.txt"]
    recipe = load_recipe("clean", settings)
    digest = recipe.digest()
    assert recipe_from_toml(recipe.portable_toml(), settings=settings).digest() == digest
    np.savetxt(tmp_path / "a" / "curve.txt", np.linspace(0, 1, 256) ** 1.7)
    assert load_recipe("clean", settings).digest() != digest


def test_a_recipe_file_may_lie_beside_a_folder_named_like_a_curve(tmp_path):
    (tmp_path / "srgb").mkdir()
    (tmp_path / "mine.toml").write_text(load_recipe("clean").portable_toml())
    assert load_recipe(str(tmp_path / "mine.toml")) == load_recipe("clean")
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(UsageError, match="another encoding, not UTF-8"):
        load_recipe(str(tmp_path / "latin.toml"))


def test_unknown_recipes_and_broken_files_say_so(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'handheld'"):
        load_recipe("handhold")
    with pytest.raises(UsageError, match="No such file"):
        load_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_recipe(str(tmp_path / "bad.toml"))
    (tmp_path / "typo.toml").write_text("[trajectory]\nanxeity = [0.1]")
    with pytest.raises(UsageError, match=r"unknown key 'trajectory.anxeity'; did you mean 'trajectory.anxiety'"):
        load_recipe(str(tmp_path / "typo.toml"))


def test_a_bank_takes_the_place_of_trajectories(bank, tmp_path):
    with pytest.raises(UsageError, match="--set kernels=FILE"):
        load_recipe("bank")
    recipe = load_recipe("bank", [f"kernels={bank}"])
    assert recipe.trajectory is None
    assert load_recipe("handheld", [f"kernels={bank}"]).trajectory is None
    (tmp_path / "mine.toml").write_text('name = "mine"\nkernels = "two.npz"\n')
    assert load_recipe(str(tmp_path / "mine.toml")).digest() == recipe.digest()


def test_a_banks_contents_are_part_of_the_digest_and_its_place_is_not(bank, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "two.npz"
    copy.write_bytes(bank.read_bytes())
    recipe = load_recipe("bank", [f"kernels={bank}"])
    assert load_recipe("bank", [f"kernels={copy}"]).digest() == recipe.digest()
    assert str(tmp_path) not in recipe.portable_toml()
    KernelBank.from_arrays([np.eye(3)]).save(copy, overwrite=True)
    assert load_recipe("bank", [f"kernels={copy}"]).digest() != recipe.digest()
    with pytest.raises(UsageError, match="sha256 differs"):
        recipe_from_toml(recipe.portable_toml(), settings=[f"kernels={copy}"])


def test_kernels_from_a_bank_are_centred_unless_asked_otherwise(bank, rng):
    shake = draw_shake(load_recipe("bank", [f"kernels={bank}"]), rng=rng)
    assert np.abs(centroid(shake.kernel)).max() < 1e-3
    assert shake.path.shape == (0, 2)
    stored = {
        draw_shake(load_recipe("bank", [f"kernels={bank}", "kernel.anchor=stored"]), rng=rng).kernel.shape for _ in range(20)
    }
    assert stored == {(3, 3), (5, 5)}


@pytest.mark.parametrize("name", SHAKEN)
def test_draws_stay_within_the_recipe(name, rng):
    recipe = load_recipe(name)
    drawn = [draw_shake(recipe, rng=rng) for _ in range(300)]
    lengths = np.array([shake.parameters["length"] for shake in drawn])
    if recipe.trajectory.scale != (1.0,):
        assert set(lengths / recipe.trajectory.length[0]) == set(recipe.trajectory.scale)
        return
    still = lengths <= recipe.trajectory.near_identity_length[1]
    low, high = recipe.trajectory.length
    assert np.all(still | ((lengths >= low) & (lengths <= high)))
    assert still.mean() == pytest.approx(recipe.trajectory.near_identity, abs=0.05)
    assert {shake.parameters["exposure"] for shake in drawn} == set(recipe.kernel.exposure)
    assert {shake.parameters["anxiety"] for shake in drawn} == set(recipe.trajectory.anxiety)
    for shake in drawn[:20]:
        steps = np.linalg.norm(np.diff(shake.path, axis=0), axis=1)
        assert steps.sum() == pytest.approx(shake.parameters["length"], abs=1e-6)
        assert shake.kernel.sum() == pytest.approx(1, abs=1e-5)


def test_deblurgan_draws_the_published_process():
    recipe = load_recipe("deblurgan")
    shake = draw_shake(recipe, rng=np.random.default_rng(0))
    assert shake.path.shape == (2000, 2)
    assert shake.parameters["length"] == 60
    assert recipe.response.decode == recipe.response.encode == "linear"
    assert recipe.kernel.exposure == (0.1, 0.5, 1.0)


def test_of_several_settings_of_a_key_the_last_counts_and_is_checked():
    settings = ["frames.count=[4, 4]", "frames.count=[3, 4]"]
    assert load_recipe("frames", settings).frames.count == (3, 4)
    with pytest.raises(UsageError, match="needs an odd number"):
        load_recipe("frames", settings[::-1])
