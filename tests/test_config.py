"""Configurations: what goes in comes out, and whatever nobody knows is refused by its full name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxlens.config import dump, from_dict, load, override, to_dict
from fxlens.errors import ConfigError, OutputError


@dataclass(frozen=True)
class Optimizer:
    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    kind: Literal["adam", "adamw"] = "adam"

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ConfigError("rate must be above 0")


@dataclass(frozen=True)
class Run:
    seed: int
    name: str = "run"
    resume: bool = False
    steps: int | None = None
    widths: tuple[int, ...] = (64, 128)
    folder: Path = Path("runs")
    optimizer: Optimizer = field(default_factory=Optimizer)
    second: Optimizer | None = None
    groups: tuple[Optimizer, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    device: int | str = "auto"


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    run = Run(
        seed=3, name="bläser: 1", steps=7, widths=(1,), second=Optimizer(rate=2.0),
        groups=(Optimizer(), Optimizer(0.5)), weights={"electric guitar": 2.0},
        options={"a": [1, "b", None]}, device=1, folder=Path("a/b"),
    )  # fmt: skip
    dump(run, tmp_path / "deep" / "run.yaml")
    assert load(Run, tmp_path / "deep" / "run.yaml") == run
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run.yaml"]


@settings(max_examples=30, deadline=None)
@given(
    st.builds(
        Optimizer,
        rate=st.floats(1e-12, 1e12),
        betas=st.tuples(st.floats(allow_nan=False), st.floats(-1e-300, 1e-5)),
        kind=st.sampled_from(["adam", "adamw"]),
    )
)
def test_every_number_survives_yaml(tmp_path_factory: pytest.TempPathFactory, optimizer: Optimizer) -> None:
    path = tmp_path_factory.mktemp("config") / "o.yaml"
    dump(optimizer, path)
    assert load(Optimizer, path) == optimizer
    assert from_dict(Optimizer, to_dict(optimizer)) == optimizer


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "0.0001", "+1e-4"])
def test_exponents_are_numbers(tmp_path: Path, text: str) -> None:
    (tmp_path / "o.yaml").write_text(f"rate: {text}\n")
    assert load(Optimizer, tmp_path / "o.yaml").rate == 1e-4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sede": 1}, "sede is no setting; did you mean seed?"),
        (
            {"seed": 1, "optimizer": {"rates": 1}},
            "optimizer.rates is no setting; did you mean optimizer.rate?",
        ),
        (
            {"seed": 1, "optimizer": {"zzz": 1}},
            "optimizer.zzz is no setting; optimizer has: rate, betas, kind",
        ),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"seed": True}, "seed must be a whole number, not True"),
        ({"seed": 1, "resume": "yes"}, "resume must be true or false, not 'yes'"),
        ({"seed": 1, "resume": 1}, "resume must be true or false, not 1"),
        ({"seed": 1, "name": 3}, "name must be text, not 3"),
        ({"seed": 1, "name": None}, "name must be text, not nothing"),
        ({"seed": 1, "optimizer": 3}, "optimizer must be a mapping, not 3"),
        ({"seed": 1, "optimizer": {"rate": "fast"}}, "optimizer.rate must be a number, not 'fast'"),
        ({"seed": 1, "optimizer": {"betas": [1]}}, "optimizer.betas must have 2 entries, not 1"),
        ({"seed": 1, "optimizer": {"betas": [1, "x"]}}, "optimizer.betas[1] must be a number, not 'x'"),
        ({"seed": 1, "optimizer": {"kind": "adamm"}}, "did you mean adam?"),
        ({"seed": 1, "optimizer": {"rate": -1}}, "optimizer: rate must be above 0"),
        ({"seed": 1, "second": {"rat": 1}}, "second.rat is no setting; did you mean second.rate?"),
        ({"seed": 1, "groups": [{}, {"rat": 1}]}, "groups[1].rat is no setting"),
        ({"seed": 1, "weights": {"drums": "x"}}, "weights.drums must be a number, not 'x'"),
        ({"seed": 1, "widths": 3}, "widths must be a list, not 3"),
        ({"seed": 1, "device": 1.5}, "device must be a whole number"),
        ({}, "seed is missing; it has no default"),
    ],
)
def test_mistakes_are_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(Run, data)
    assert message in str(caught.value)


def test_nothing_is_lost_on_the_way() -> None:
    run = from_dict(Run, {"seed": 1e3, "optimizer": {"rate": 1}, "widths": [], "device": "cuda"})
    assert (run.seed, run.optimizer.rate, run.widths, run.device) == (1000, 1.0, (), "cuda")
    assert isinstance(run.seed, int) and isinstance(run.optimizer.rate, float)


def test_overrides_come_last_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 1\noptimizer:\n  rate: 0.5\nsecond:\n")
    changes = [
        "seed=2", "seed=3", "optimizer.betas=[0.5, 1]", "second.rate=1e-3", "name=a=b", "weights={drums: 2}",
        "options.dropout=0.1", "steps=null",
    ]  # fmt: skip
    run = load(Run, path, changes)
    assert run.seed == 3 and run.name == "a=b" and run.weights == {"drums": 2.0} and run.steps is None
    assert run.optimizer == Optimizer(0.5, (0.5, 1.0))
    assert run.second == Optimizer(1e-3)
    assert run.options == {"dropout": 0.1}


def test_override_leaves_its_input_alone() -> None:
    data = {"a": {"b": 1}}
    assert override(data, ["a.b=2", "c.d.e=3"]) == {"a": {"b": 2}, "c": {"d": {"e": 3}}}
    assert data == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("optimizer..rate=3", "not of the form key=value"),
        ("seed.x=3", "seed holds 1; set it as a whole"),
        ("name=[", "not valid YAML"),
        ("optimizer.rat=1", "optimizer.rat is no setting"),
    ],
)
def test_bad_overrides(tmp_path: Path, change: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(Run, tmp_path / "run.yaml", [change])
    assert message in str(caught.value) and "run.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "key 'seed' is given twice (line 2)"),
        ("seed: [1\n", "not valid YAML"),
        ("- 1\n", "expected 'key: value' lines, found a list of 1"),
        ("seed: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("seed: 1\x00", "not valid YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(Run, path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_missing_file_and_binary_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(Run, tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load(Run, tmp_path / "binary.yaml")


def test_empty_file_means_defaults(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("# nothing\n")
    assert load(Optimizer, tmp_path / "o.yaml") == Optimizer()


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        dump(Optimizer(), tmp_path / "file" / "o.yaml")
