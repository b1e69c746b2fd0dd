from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems.weights_file import fit, identity_of, read_tensors, with_plain_integers

ADVICE = "get it from there"


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "state"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoints_wrapping_is_taken_off(wrapper: str | None, prefix: str, tmp_path: Path) -> None:
    plain = {prefix + name: tensor for name, tensor in layer().state_dict().items()}
    torch.save(plain if wrapper is None else {"epoch": 3, wrapper: plain, "optimizer": {}}, tmp_path / "w.pt")
    found = read_tensors(tmp_path / "w.pt", "w.pt", ADVICE)
    assert set(found) == {"weight", "bias"}
    assert torch.equal(found["weight"], layer().weight)
    in_memory = read_tensors((tmp_path / "w.pt").read_bytes(), "w.pt", ADVICE)
    assert torch.equal(in_memory["weight"], layer().weight)


def test_safetensors_and_numpy_arrays_are_read(tmp_path: Path) -> None:
    save_file(layer().state_dict(), tmp_path / "w.safetensors")
    assert torch.equal(read_tensors(tmp_path / "w.safetensors", "w", ADVICE)["bias"], layer().bias)
    torch.save({name: tensor.numpy() for name, tensor in layer().state_dict().items()}, tmp_path / "w.pt")
    assert torch.equal(read_tensors(tmp_path / "w.pt", "w", ADVICE)["bias"], layer().bias)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["FXLENS_EVIL"],)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FXLENS_EVIL", str(tmp_path / "made"))
    torch.save({"weight": torch.zeros(2), "evil": Evil()}, tmp_path / "w.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    for name in ("w.pt", "p.pt"):
        with pytest.raises(ModelUnavailableError, match="for safety nothing else is read"):
            read_tensors(tmp_path / name, name, ADVICE)
        with pytest.raises(ModelUnavailableError, match="for safety nothing else is read"):
            read_tensors((tmp_path / name).read_bytes(), name, ADVICE)
    assert not (tmp_path / "made").exists()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=ADVICE):
        read_tensors(tmp_path / "none.pt", "none.pt", ADVICE)
    torch.save(layer().state_dict(), tmp_path / "w.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:300])
    for content in (b"", b"hello"):
        (tmp_path / "other.pt").write_bytes(content)
        with pytest.raises(ModelUnavailableError, match="other"):
            read_tensors(tmp_path / "other.pt", "other.pt", ADVICE)
    with pytest.raises(ModelUnavailableError, match="half"):
        read_tensors(tmp_path / "half.pt", "half.pt", ADVICE)
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"epoch": 1}, tmp_path / "empty.pt")
    for name, message in (("list.pt", "no state dict"), ("empty.pt", "no tensors")):
        with pytest.raises(ModelUnavailableError, match=message):
            read_tensors(tmp_path / name, name, ADVICE)
    (tmp_path / "w.safetensors").write_bytes(b"hello")
    with pytest.raises(ModelUnavailableError, match="broken or incomplete"):
        read_tensors(tmp_path / "w.safetensors", "w", ADVICE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "bias is missing"),
        ({"more": torch.zeros(1)}, "more is unknown"),
        ({"weight": torch.zeros(3, 2)}, r"weight is \[3, 2\], not \[2, 3\]"),
    ],
)
def test_a_state_dict_that_does_not_fit_names_the_keys(change: dict[str, torch.Tensor | None], message: str) -> None:
    tensors = {name: t for name, t in (dict(layer().state_dict()) | change).items() if t is not None}
    with pytest.raises(ModelUnavailableError, match=message):
        fit(layer(), tensors, "w.pt")


def test_tables_may_be_left_out_and_counters_may_be_missing() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2))
    tensors = {name: torch.full((2,), 3.0) for name in ("0.weight", "0.bias", "0.running_mean", "0.running_var")}
    before = identity_of("it", network)
    fit(network, tensors | {"table.x": torch.zeros(5)}, "w.pt", ("table.",))
    assert identity_of("it", network) != before
    assert float(network.state_dict()["0.running_var"][0]) == 3.0


def test_decimal_integers_of_old_pickles_are_rewritten() -> None:
    """A legacy PyTorch file begins with five pickles; the name of a storage may be a decimal ``INT``."""
    parts = [pickle.dumps(n, protocol=2) for n in (1, 1001, {"little_endian": True})]
    numbers = (139832181927520, 5, -129, 2**40)
    listed = b"\x80\x02]q\x00(" + b"".join(b"I%d\n" % n for n in numbers) + b"e."
    content = b"".join([*parts, listed, pickle.dumps(["x"], protocol=2), b"raw \x00 bytes I12\n"])
    changed = with_plain_integers(content)
    assert b"I139832181927520\n" not in changed
    assert changed.endswith(b"raw \x00 bytes I12\n")
    assert changed.startswith(b"".join(parts))
    assert tuple(pickle.loads(changed[len(b"".join(parts)) :])) == numbers
    assert with_plain_integers(b"PK\x03\x04I1\n") == b"PK\x03\x04I1\n"


def test_numbers_survive_the_way_through_numpy(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    torch.save({"a": values}, tmp_path / "a.pt")
    np.testing.assert_array_equal(read_tensors(tmp_path / "a.pt", "a", ADVICE)["a"].numpy(), values)
