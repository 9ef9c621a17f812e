"""Tests files of weights: they are read as they were written, and wrong files are refused."""

import json
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from blurkit.errors import BlurkitError, UsageError
from trainer.networks.build import channels_last
from trainer.networks.generators import build_generator
from trainer.networks.weights import load_generator, save_generator

SPEC = {"name": "resnet", "blocks": 2, "width": 4, "upsampling": "resize", "dropout": 0.25}
DESCRIPTION = {"generator": SPEC, "step": 7, "recipe": {"name": "quick"}, "dataset": "abc"}


def small(seed=1, **options):
    torch.manual_seed(seed)
    return build_generator({**SPEC, **options})


def published(generator, prefix="module."):
    return {prefix + name: value for name, value in generator.state_dict().items()}


def same(one, other):
    state = other.state_dict()
    return list(one.state_dict()) == list(state) and all(
        torch.equal(value, state[name]) for name, value in one.state_dict().items()
    )


def test_what_was_saved_is_loaded(tmp_path):
    generator = small()
    path = save_generator(tmp_path, generator, DESCRIPTION)
    before = torch.get_rng_state()
    for place in (tmp_path, path, str(path)):
        loaded, description = load_generator(place)
        assert torch.equal(torch.get_rng_state(), before)
        assert same(loaded, generator)
        assert not loaded.training
        assert all(parameter.requires_grad for parameter in loaded.parameters())
        assert {key: description[key] for key in DESCRIPTION} == DESCRIPTION
    blurred = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(loaded(blurred), generator.eval()(blurred))
    assert loaded.model[10].conv_block[4].p == 0.25


def test_the_json_file_is_readable(tmp_path):
    save_generator(tmp_path, small(), {**DESCRIPTION, "summary": "décor"})
    text = (tmp_path / "generator.json").read_text()
    assert json.loads(text)["step"] == 7
    assert "décor" in text
    assert text.count("\n") > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generator.json", "generator.safetensors"]


def test_equal_weights_are_equal_bytes(tmp_path):
    written = []
    for k, generator in enumerate((small(), small(), channels_last(small()))):
        (tmp_path / str(k)).mkdir()
        written.append(save_generator(tmp_path / str(k), generator, {**DESCRIPTION, "step": k}).read_bytes())
    assert written[0] == written[1] == written[2]
    assert written[0] != save_generator(tmp_path, small(seed=2), DESCRIPTION).read_bytes()


def test_another_program_reads_the_same_numbers(tmp_path):
    generator = small()
    data = save_generator(tmp_path, generator, DESCRIPTION).read_bytes()
    length = int.from_bytes(data[:8], "little")
    place = json.loads(data[8 : 8 + length])["model.1.weight"]
    first, last = (8 + length + offset for offset in place["data_offsets"])
    weight = np.frombuffer(data[first:last], "<f4").reshape(place["shape"])
    assert np.array_equal(weight, generator.model[1].weight.detach().numpy())


def test_without_a_matching_json_file_the_description_is_the_network_only(tmp_path):
    generator = small()
    save_generator(tmp_path, small(seed=2), {**DESCRIPTION, "step": 6})
    older = (tmp_path / "generator.json").read_bytes()
    save_generator(tmp_path, generator, DESCRIPTION)
    for damaged in (older, b"{", b"[]", None):
        if damaged is None:
            (tmp_path / "generator.json").unlink()
        else:
            (tmp_path / "generator.json").write_bytes(damaged)
        loaded, description = load_generator(tmp_path)
        assert description == {"generator": SPEC}
        assert same(loaded, generator)


@pytest.mark.parametrize("blocks", [6, 9])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_network_of_a_published_state_dictionary_is_inferred(tmp_path, blocks, upsampling, prefix):
    generator = small(blocks=blocks, upsampling=upsampling)
    state = published(generator, prefix)
    state |= {f"{prefix}model.2.running_mean": torch.zeros(4), f"{prefix}model.2.num_batches_tracked": torch.tensor(3)}
    path = tmp_path / "latest_net_G.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)  # the format of 2018
    loaded, description = load_generator(path)
    assert description == {"generator": {"name": "resnet", "blocks": blocks, "width": 4, "upsampling": upsampling}}
    assert same(loaded, generator)


def test_weights_in_half_precision_become_float32(tmp_path):
    path = tmp_path / "half.safetensors"
    path.write_bytes(safetensors.torch.save({name: value.half() for name, value in small().state_dict().items()}))
    loaded, _ = load_generator(path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.model[1].weight, small().model[1].weight.half().float())


def test_every_flipped_bit_of_the_weights_and_of_their_specification_is_found(tmp_path):
    path = save_generator(tmp_path, small(), DESCRIPTION)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for place in (*np.random.default_rng(0).integers(start, len(data), 20), start, len(data) - 1, data.index(b"0.25") + 3):
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(BlurkitError, match="the weights differ from those that were written") as caught:
            load_generator(path)
        assert caught.value.exit_code == 1


@pytest.mark.parametrize("metadata", ["{", "[]", '{"generator": 3, "digest": "x"}', '{"generator": {}}'])
def test_metadata_that_describe_no_generator_are_refused(tmp_path, metadata):
    path = tmp_path / "generator.safetensors"
    path.write_bytes(safetensors.torch.save(small().state_dict(), {"blurkit": metadata}))
    with pytest.raises(UsageError, match="the metadata do not describe a generator"):
        load_generator(path)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = save_generator(tmp_path, small(), DESCRIPTION)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UsageError, match="cannot be read as weights"):
        load_generator(path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a file of weights ran code",))


@pytest.mark.parametrize("data", [pickle.dumps(Trap()), b"", b"<html>", pickle.dumps({"model.1.weight": Trap()})])
def test_files_that_hold_no_weights_are_refused_and_run_nothing(tmp_path, data):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"weights.pth: cannot be read as weights"):
        load_generator(path)


def test_a_zipped_pickle_with_code_is_refused(tmp_path):
    torch.save({"model.1.weight": Trap()}, tmp_path / "weights.pth")
    with pytest.raises(UsageError, match="cannot be read as weights"):
        load_generator(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"conv1.weight": torch.zeros(3)}, "no weights of a generator of DeblurGAN, DeblurGAN-v2 or NAFNet"),
        ({}, "no weights of a generator of DeblurGAN, DeblurGAN-v2 or NAFNet"),
        ([torch.zeros(3)], "holds a list"),
        ({"model.1.weight": torch.zeros(4, 3, 7, 7), "model.10.conv_block.1.weight": torch.zeros(1)}, "Missing key"),
        ("another width", "size mismatch for model.26.weight"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, state, message):
    if state == "another width":
        state = {**published(small(blocks=9, upsampling="transposed"), ""), "model.26.weight": torch.zeros(3, 5, 7, 7)}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(UsageError, match=message):
        load_generator(tmp_path / "other.pt")


def test_places_without_a_generator(tmp_path):
    with pytest.raises(UsageError, match=r"no generator.safetensors in .*: train first with trainer run --out"):
        load_generator(tmp_path)
    with pytest.raises(UsageError, match=r"absent.pth: no such file"):
        load_generator(tmp_path / "absent.pth")


def test_a_failed_save_keeps_the_previous_file(tmp_path, monkeypatch):
    save_generator(tmp_path, small(), DESCRIPTION)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_generator(tmp_path, small(seed=2), DESCRIPTION)
    monkeypatch.undo()
    assert same(load_generator(tmp_path)[0], small())
    assert len(list(tmp_path.iterdir())) == 2


def test_the_network_of_nafnets_file_is_inferred(tmp_path):
    spec = {"name": "nafnet", "width": 4, "encoder": [1, 0, 2], "middle": 2, "decoder": [0, 1, 1]}
    generator = build_generator(spec)
    torch.save({"params": generator.state_dict(), "epoch": 3}, tmp_path / "NAFNet.pth")
    loaded, description = load_generator(tmp_path / "NAFNet.pth")
    assert description == {"generator": spec}
    assert same(loaded, generator)
    assert {"intro.weight", "encoders.2.1.sca.1.bias", "middle_blks.1.norm1.weight", "ups.2.0.weight", "ending.bias"} <= set(
        generator.state_dict()
    )


def test_a_network_that_started_from_downloaded_weights_is_loaded_without_them(tmp_path):
    spec = {"name": "fpn", "backbone": "mobilenetv2", "width": 8}
    generator = build_generator(spec)
    save_generator(tmp_path, generator, {"generator": {**spec, "pretrained": True}})
    loaded, description = load_generator(tmp_path)
    assert same(loaded, generator)
    assert description["generator"]["pretrained"] is True
