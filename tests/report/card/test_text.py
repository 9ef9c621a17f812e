"""Tests the text of a dataset's card on invented facts, and that its command gives the same configuration."""

import collections
import re
import shlex
import tomllib

import cv2
import numpy as np
import pytest
from damage import put, tamper

from blurkit.cli import cli
from blurkit.pipeline.choices import Choices
from blurkit.program.toml import to_toml
from blurkit.report.card.command import command_line
from blurkit.report.card.examples import draw_examples
from blurkit.report.card.facts import Facts, gather, spread
from blurkit.report.card.markdown import bibtex, plain
from blurkit.report.card.rights import rights
from blurkit.report.card.stamp import NONE, PLACE, Stamp, key_of, read_stamp, stamped
from blurkit.report.card.text import card
from blurkit.shard.index import Dataset
from blurkit.shard.ledger import Failure
from blurkit.sources.known.manifest import load_manifest, manifest_names
from blurkit.sources.licence import hub_name, licence_address, licence_words
from blurkit.sources.selection import FAMILIES

LICENCES = {("coco", "CC-BY-NC-ND-2.0"): 3, ("coco", "CC-BY-2.0"): 4, ("coco", "CC-BY-NC-SA-2.0"): 1, ("folder", ""): 2}


def configuration_of(**choices):
    return Choices(**choices).plan().configuration


@pytest.fixture(scope="module")
def configuration():
    made = configuration_of(per_image=3, downscale=2, min_sharpness=1.5, split="train", settings=("jpeg=none", "noise.shot=1e-4"))
    return {**made, "images": 4, "images_of": {"coco": 3, "folder": 1}}


@pytest.fixture
def facts(configuration):
    shards = [{"file": "00000.h5", "samples": 10, "bytes": 5_000_000, "sha256": "a" * 64, "digest": "b" * 64}]
    index = {"digest": "c" * 64, "samples": 10, "bytes": 5_000_000, "failed": 1, "skipped": 1}
    index |= {"configuration": configuration, "shards": [*shards, {**shards[0], "file": None, "samples": 0, "sha256": None}]}
    left_out = {("decode", "truncated"): (1, 1), ("crop", "too_small"): (1, 1)}
    photographs = collections.Counter(coco=3, folder=1)
    return Facts(index, collections.Counter(LICENCES), photographs, left_out, ((2, "val2017/7"), (5, "own.jpg")))


def front_matter(text):
    """The YAML at the top, of which a card uses scalars and lists of scalars alone."""
    values, key = {}, ""
    for line in re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1].splitlines():
        if line.startswith("- "):
            values[key].append(line[2:])
        else:
            key, _, value = line.partition(":")
            values[key] = value.strip() or []
    return values


def test_the_hub_understands_its_front_matter(facts):
    values = front_matter(card(facts, "examples.jpg"))
    assert values["pretty_name"] == '"Motion-blurred pairs: COCO 2017 + own photographs"'
    assert values["license"] == ["cc-by-2.0", "cc-by-nc-sa-2.0", "other", "unknown"]
    assert values["task_categories"] == ["image-to-image"]
    assert values["size_categories"] == ["n<1K"]


def test_it_says_what_was_made_and_what_was_not(facts):
    text = card(facts, "examples.jpg")
    for row in (
        *("| pairs | 10 |", "| photographs | 4, split `train` |", "| size | crops of 320 × 320 px |", "| seed | 0 |"),
        *(
            "| files | 1 shard (HDF5), 5.0 MB |",
            f"| digest | `{'c' * 64}` |",
            "| downscaled | 2 times, in linear light, before the blur |",
        ),
        *("| `truncated` | decode | 1 | 1 |", "| `too_small` | crop | 1 | 1 |"),
    ):
        assert row in text
    assert "12 pairs planned, 10 made, 1 failed because something is wrong with the photograph, 1 skipped by a rule." in text
    assert "](examples.jpg)" in text
    assert "`val2017/7`, `own.jpg`" in text
    assert "](examples.jpg)" not in card(facts, "")
    assert text.count(PLACE) == 1


def test_known_sources_are_cited_and_one_s_own_are_left_to_their_owner(facts):
    text = card(facts, "")
    assert "8 pairs of 3 photographs." in text
    assert "author = {Lin, Tsung-Yi and Maire, Michael" in text
    assert "<https://cocodataset.org/>" in text
    assert "2 pairs of 1 photograph. The photographs are files of the person who made this dataset" in text


def test_licences_are_counted_and_their_conditions_named(facts):
    text = "\n\n".join(rights(facts.pairs_by_licence()))
    rows = re.findall(r"^\| \[?([^\]|]*?)\]?(?:\(\S+\))? \| (\d+) \|", text, re.MULTILINE)
    assert rows == [("CC-BY-2.0", "4"), ("CC-BY-NC-ND-2.0", "3"), ("not known", "2"), ("CC-BY-NC-SA-2.0", "1")]
    for said in ("No derivatives: 3", "Non-commercial: 4", "Share alike: 1", "Attribution: 8", "Not known: 2"):
        assert f"**{said} pair" in text
    assert "`--license cc-by-2.0,unknown`" in text
    assert "**" not in "".join(rights({"CC0-1.0": 5, "public domain": 1}))


@pytest.mark.parametrize(
    "licence", [f"{family}-2.0" if "-BY" in family else family for family in FAMILIES if "unknown" not in family]
)
def test_licences_that_are_known_by_name_have_an_address(licence):
    assert licence_address(licence if licence != "CC0" else "CC0-1.0").startswith("https://")


def test_terms_of_licences():
    assert licence_address("CC-BY-NC-SA-2.0-DE") == "https://creativecommons.org/licenses/by-nc-sa/2.0/de/"
    assert licence_words("CC-BY-NC-ND-4.0") == "name the author; no commercial use; no adapted versions"
    assert (licence_words(""), licence_words("All mine")) == ("not known", "see the source")
    assert [hub_name(name) for name in ("CC0-1.0", "CC-BY-ND-2.0", "")] == ["cc0-1.0", "other", "unknown"]


def test_texts_of_others_are_no_markup(facts):
    hostile = "<!-- --> ![x](y) | `a` **b**\n# c"
    facts.index["configuration"] = {**facts.configuration, "recipe": {**facts.configuration["recipe"], "summary": hostile}}
    paragraph = next(part for part in card(facts, "").split("\n\n") if part.startswith("The recipe `"))
    assert "\n" not in paragraph
    assert plain(hostile) in paragraph
    assert not re.search(r"(?<!\\)[*<>!|\[]", plain(hostile))


@pytest.mark.parametrize("name", manifest_names())
def test_citations_keep_their_fields(name):
    citation = load_manifest(name).citation
    assert " ".join(bibtex(citation).replace("\n}", "}").split()) == citation
    assert bibtex(citation).count("\n") > 3


def choices_of(command, recipe):
    """What the command line makes of a command, with the recipe that the card prints in the place of its file."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["blurkit", "generate"]
    words = [str(recipe) if word == "recipe.toml" else word for word in words]
    values = cli.commands["generate"].make_context("generate", words[2:]).params
    return Choices(**{name: values[name] for name in Choices.__dataclass_fields__ if name in values})


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"seed": 7, "size": "48x64", "per_image": 3, "downscale": 2, "min_sharpness": 2.5, "limit": ("sample=3",)},
        {"split": "train", "license": "cc0,public domain", "masks": True},
        {"recipe": "clean", "settings": ("trajectory.length=[5, 40]", "jpeg.share=0.25", "shard_bytes=1000000")},
        {"settings": ("jpeg=none", "noise=none", "kernel.exposure=1")},
        {"settings": ("name=mine", "noise.shot=1e-4", 'summary="a \\"quoted\\" word"')},
    ],
)
def test_the_command_makes_the_same_configuration(choices, tmp_path):
    made = configuration_of(**choices)
    command = command_line(made)
    (tmp_path / "recipe.toml").write_text(to_toml(made["recipe"]), encoding="utf-8")
    assert ("--recipe recipe.toml" in command) == ("name=mine" in choices.get("settings", ()))
    assert choices_of(command, tmp_path / "recipe.toml").plan().configuration == made


def test_the_command_names_no_place_of_this_machine(tmp_path):
    (tmp_path / "photographs").mkdir()
    cv2.imwrite(str(tmp_path / "photographs" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    made = configuration_of(src=("sample", str(tmp_path / "photographs")), weight=("folder=2",), split="train", shares="100,0,0")
    command = command_line(made)
    assert "--src sample" in command
    assert "--root folder=DIR" in command
    assert "--weight folder=2" in command
    assert "--shares 100,0,0" in command
    assert "--shares 80,10,10" in command_line({**made, "shares": "80,10,10"})
    assert "--shares" not in command_line({**made, "images_of": {"sample": 1, "coco": 1}})
    assert str(tmp_path) not in command


def test_a_recipe_that_is_packaged_is_not_asked_for_as_a_file():
    made = configuration_of()
    assert "--recipe handheld" in command_line(made)
    assert tomllib.loads(to_toml(made["recipe"])) == made["recipe"]


def test_examples_are_spread_and_never_of_a_photograph_without_derivatives(write, make_sample, tmp_path):
    assert spread(6) == [0, 1, 2, 3, 4, 5]
    assert spread(60) == [5, 15, 25, 35, 45, 55]
    assert spread(0) == []
    path, samples, _ = write([(90, 70)] * 8)
    dataset = Dataset(tmp_path, [path.name], [8], {})
    found = gather(dataset, [])
    assert found.licences == collections.Counter(("folder", sample.meta["licence"]) for sample in samples)
    assert [name for _, name in found.examples] == [samples[number].id for number, _ in found.examples]
    tamper(path, put("licence", np.array([b"CC-BY-ND-2.0", b"CC-BY-2.0"] * 4)))
    assert [number for number, _ in gather(Dataset(tmp_path, [path.name], [8], {}), []).examples] == [1, 3, 5, 7]


def test_the_picture_shows_these_pairs(write, tmp_path):
    path, samples, _ = write([(224, 224), (300, 230), (20, 24)])
    dataset = Dataset(tmp_path, [path.name], [3], {})
    data = draw_examples(dataset, [0, 1, 2])
    assert len(data) <= 150_000
    assert data == draw_examples(dataset, [0, 1, 2])
    assert data.count(PLACE.encode()) == 1
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB).astype(float)
    assert picture.shape == (2 * 224 + 6, 3 * 224 + 2 * 6, 3)
    assert np.abs(picture[:224, :224].mean(axis=2) - samples[0].sharp.mean(axis=2)).mean() < 25
    assert np.abs(picture[230:390, :160].mean(axis=2) - samples[0].blurred[:160, :160].mean(axis=2)).mean() < 25
    assert cv2.imdecode(np.frombuffer(draw_examples(dataset, []), np.uint8), cv2.IMREAD_COLOR).shape == (224, 3 * 224 + 2 * 6, 3)


def test_a_stamp_tells_whose_a_file_is(tmp_path):
    path, key = tmp_path / "card", key_of(b"a dataset")
    assert read_stamp(path) is None
    path.write_bytes(stamped(f"a card\n{PLACE}\n".encode(), key))
    assert read_stamp(path) == Stamp(key, whole=True)
    path.write_bytes(path.read_bytes().replace(b"a card", b"my card"))
    assert read_stamp(path) == Stamp(key, whole=False)
    path.write_bytes(b"somebody's own")
    assert read_stamp(path) == NONE
    path.unlink()
    path.mkdir()
    assert read_stamp(path) == NONE
    (tmp_path / "ours").write_bytes(stamped(PLACE.encode(), key))
    (tmp_path / "link").symlink_to("ours")
    assert read_stamp(tmp_path / "link") == NONE
    (tmp_path / "dangling").symlink_to("nowhere")
    assert read_stamp(tmp_path / "dangling") == NONE


def test_what_was_left_out_is_counted_by_reason():
    from blurkit.shard.ledger import left_out

    failures = [Failure("a", "a", "crop", "too_small", "", 2), Failure("b", "b", "crop", "too_small", "", 3)]
    assert left_out([*failures, Failure("c", "c", "source", "link", "", 0)]) == {
        ("crop", "too_small"): (2, 5),
        ("source", "link"): (1, 0),
    }
