"""Two processes with half a batch each have the loss and the gradients of one with the whole batch."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from tiny_run import MODEL, losses_of, settings
from torch import nn

from fxlens.config import dump
from fxlens.losses import cross_nt_xent, nt_xent
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.gathering import gather_rows, process_count, process_rank, row_counts
from fxlens.training.listening import KeyBank, ListeningTask
from fxlens.training.settings import LessonSettings, LossSettings, QuerySettings
from fxlens.training.shared_batches import deal
from fxlens.training.shared_norm import SharedBatchNorm, share_statistics

PAIRS = (4, 5)
"""Of the mixture part and of the extraction part: one that divides by two, and one that does not."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def in_double() -> Iterator[None]:
    """What the code brings to float32 goes to float64 instead: rounding, which batch normalisation of a few rows blows
    up to 3e-4, would hide whether the gradients are the same."""
    single = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.Tensor.float = single  # type: ignore[method-assign]


def batch() -> dict[str, Any]:
    """Spectrograms, as a loader makes them."""
    g = torch.Generator().manual_seed(3)
    shape = (2, MODEL.frontend.n_channels, MODEL.frontend.n_mels, 12)

    def spectrograms(pairs: int) -> torch.Tensor:
        return torch.rand(pairs, *shape, generator=g).double() * 2.0 - 1.0

    dry = torch.randn(3, 2, 11025, generator=g)
    return {
        "mixture": spectrograms(PAIRS[0]),
        "extraction": spectrograms(PAIRS[1]),
        "stem": spectrograms(PAIRS[1]),
        "dry": dry,
        "target": "drums",
    }


def task(extractor: str) -> ContrastiveTask:
    torch.manual_seed(1)
    config = dataclasses.replace(
        MODEL,
        backbone=BackboneConfig("resnet", 4),
        extractor=ExtractorConfig(extractor, (0.0, 0.0)),  # type: ignore[arg-type]
    )
    # Nothing random that each process draws for itself; the names are drawn together.
    query = QuerySettings(audio_share=0.0, noise=0.0)
    loss = LossSettings(instrument_weight=0.5, ramp_steps=0, stem_view=True)
    return ContrastiveTask(FxEncoder(config).double(), load_query_encoder("offline"), loss, query)


def buffers(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name}


def result(named: dict[str, torch.Tensor], module: nn.Module) -> dict[str, Any]:
    return {
        "losses": {name: float(value.detach()) for name, value in named.items()},
        "gradients": {name: p.grad for name, p in module.named_parameters() if p.grad is not None},
        "statistics": buffers(module),
    }


def average_gradients(module: nn.Module) -> None:
    """As DistributedDataParallel does, whose import costs more than all jobs; the runs below have the real one."""
    for parameter in module.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= process_count()


def one_of_several(rank: int, count: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=count)
    try:
        torch.save({name: job() for name, job in JOBS.items()}, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found, by job; started once, since starting takes longer than all jobs."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(one_of_several, (2, free_port(), str(folder)), 2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def embedding_losses() -> dict[str, Any]:
    """Five pairs of embeddings out of one matrix, three in the first process and two in the second."""
    g = torch.Generator().manual_seed(0)
    x, weight = torch.randn(5, 2, 12, generator=g).double(), torch.randn(12, 8, generator=g).double().requires_grad_()
    own = x.tensor_split(process_count())[process_rank()]
    views = [gather_rows(F.normalize(own[:, k] @ weight, dim=1)) for k in (0, 1)]
    loss = nt_xent(*views, 0.1) + cross_nt_xent(*views, 0.2)
    loss.backward()
    assert weight.grad is not None
    gradient = weight.grad.clone()
    if process_count() > 1:
        dist.all_reduce(gradient)
    return {"loss": loss.detach(), "gradient": gradient / process_count(), "counts": row_counts(len(own))}


def contrast(extractor: str) -> dict[str, Any]:
    with in_double():
        return one_step(extractor)


def one_step(extractor: str) -> dict[str, Any]:
    module = task(extractor)
    if process_count() == 1:
        named = module(batch(), 0, 7)
        named["total"].backward()
        return result(named, module)
    share_statistics(module, on_gpu=False)
    mine = deal(batch() if process_rank() == 1 else None, 1)  # the second process has made it
    named = module(mine, 0, 7)
    named["total"].backward()
    average_gradients(module)
    return {**result(named, module), "target": mine["target"], "rows": {k: len(mine[k]) for k in ("mixture", "dry")}}


def listening() -> dict[str, Any]:
    """A step of learning to listen: five mixtures, three in the first process; eight instruments in them."""
    g = torch.Generator().manual_seed(2)
    blocks = [SimpleNamespace(number=n, instrument=("drums", "bass")[n % 2], chains=2) for n in range(4)]
    keys = F.normalize(torch.randn(4, 2, MODEL.projection_dims[-1], generator=g).double(), dim=-1).numpy()
    sounds = F.normalize(torch.randn(4, MODEL.query_dim, generator=g), dim=-1).numpy()
    targets = [SimpleNamespace(keys=k, query=q) for k, q in zip(keys, sounds, strict=True)]
    frames = (MODEL.frontend.n_mels, 12)
    item = {
        "mixture": torch.rand(5, MODEL.frontend.n_channels, *frames, generator=g).double() * 2.0 - 1.0,
        "owner": torch.tensor([0, 1, 1, 2, 2, 3, 4, 4]),
        "block": torch.tensor([0, 0, 1, 2, 3, 1, 2, 1]),
        "chain": torch.tensor([0, 1, 1, 0, 1, 0, 1, 1]),
        "target_db": (20.0 * torch.rand(8, *frames, generator=g) - 30.0).half(),
    }
    torch.manual_seed(1)
    encoder = FxEncoder(dataclasses.replace(MODEL, backbone=BackboneConfig("resnet", 4))).double()
    module = ListeningTask(
        encoder,
        load_query_encoder("offline"),
        KeyBank(blocks, targets),  # type: ignore[arg-type]
        LessonSettings(read_from_step=0, queries=1),
        QuerySettings(audio_share=0.5, noise=0.1),
    )
    with in_double():
        if process_count() == 1:
            named = module(item, 0, 7)
            named["total"].backward()
            return result(named, module)
        share_statistics(module, on_gpu=False)
        mine = deal(item if process_rank() == 0 else None, 0)
        named = module(mine, 0, 7)
        named["total"].backward()
        average_gradients(module)
    return {**result(named, module), "mixtures": len(mine["mixture"])}


def normalisation() -> dict[str, Any]:
    g = torch.Generator().manual_seed(0)
    x = 3.0 + torch.randn(7, 4, 3, 5, generator=g)
    whole = x.requires_grad_()
    own = whole.tensor_split(process_count())[process_rank()]
    layer: nn.Module = nn.Sequential(nn.BatchNorm2d(4))
    if process_count() > 1:
        share_statistics(layer, on_gpu=False)
    with torch.no_grad():
        layer[0].weight.copy_(torch.tensor([0.5, 1.0, 2.0, -1.0]))  # type: ignore[index]
    y = layer(own)
    weigh = torch.linspace(-1.0, 1.0, x.numel()).reshape(x.shape)
    (y * weigh.tensor_split(process_count())[process_rank()]).sum().backward()
    gradient = whole.grad
    if process_count() > 1:
        dist.all_reduce(gradient)
    return {"gradient": gradient, "statistics": buffers(layer), "y": y.detach()}


JOBS = {
    "losses": embedding_losses,
    "mask": lambda: contrast("mask"),
    "mlp": lambda: contrast("mlp"),
    "listening": listening,
    "normalisation": normalisation,
}


def test_gradients_of_the_losses_are_exact(parts: list[dict[str, Any]]) -> None:
    alone = embedding_losses()
    for part in (every["losses"] for every in parts):
        assert part["counts"] == [3, 2]
        torch.testing.assert_close(part["loss"], alone["loss"], rtol=1e-6, atol=0.0)
        torch.testing.assert_close(part["gradient"], alone["gradient"], rtol=1e-6, atol=1e-7)
    assert float(alone["gradient"].abs().max()) > 0.1  # or the budget would say nothing


def test_batch_normalisation_over_processes(parts: list[dict[str, Any]]) -> None:
    alone = normalisation()
    halves = torch.cat([part["normalisation"]["y"] for part in parts])
    torch.testing.assert_close(halves, alone["y"], rtol=0, atol=1e-5)
    for part in (every["normalisation"] for every in parts):
        torch.testing.assert_close(part["gradient"], alone["gradient"], rtol=0, atol=1e-5)
        for (_, mine), (_, wanted) in zip(part["statistics"].items(), alone["statistics"].items(), strict=True):
            torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("extractor", ["mlp", "mask"])
def test_a_step_on_two_processes_is_the_step_of_one(extractor: str, parts: list[dict[str, Any]]) -> None:
    alone = contrast(extractor)
    assert set(alone["losses"]) == {"mixture", "stem", "instrument", "distil", "align", "total"}
    for part in (every[extractor] for every in parts):
        assert part["target"] == "drums" and part["rows"] == {"mixture": 2, "dry": 3}
        assert part["losses"] == pytest.approx(alone["losses"], rel=1e-6)
        assert set(part["gradients"]) == set(alone["gradients"])
        for name, gradient in alone["gradients"].items():
            assert float((part["gradients"][name] - gradient).abs().max()) < 1e-6, name
        for name, value in alone["statistics"].items():
            torch.testing.assert_close(part["statistics"][name], value, rtol=1e-6, atol=1e-7)
    assert max(float(gradient.abs().max()) for gradient in alone["gradients"].values()) > 1e-2


def test_a_step_of_listening_on_two_processes_is_the_step_of_one(parts: list[dict[str, Any]]) -> None:
    alone = listening()
    assert set(alone["losses"]) == {"where", "mask", "name", "align", "total"}
    assert [every["listening"]["mixtures"] for every in parts] == [3, 2]
    for part in (every["listening"] for every in parts):
        assert part["losses"] == pytest.approx(alone["losses"], rel=1e-6)
        assert set(part["gradients"]) == set(alone["gradients"])
        for name, gradient in alone["gradients"].items():
            assert float((part["gradients"][name] - gradient).abs().max()) < 1e-6, name
        for name, value in alone["statistics"].items():
            torch.testing.assert_close(part["statistics"][name], value, rtol=1e-6, atol=1e-7)
    assert max(float(gradient.abs().max()) for gradient in alone["gradients"].values()) > 1e-2


def test_alone_nothing_is_gathered_and_normalisation_is_torchs() -> None:
    x = torch.randn(3, 4)
    assert gather_rows(x) is x and row_counts(3) == [3]
    ours, theirs = SharedBatchNorm(4), nn.BatchNorm1d(4)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert torch.equal(ours.eval()(x), nn.functional.batch_norm(x, ours.running_mean, ours.running_var))
    assert set(ours.state_dict()) == set(theirs.state_dict())


RUN = """
import sys
from pathlib import Path
from fxlens.config import load
from fxlens.training.settings import TrainSettings
from fxlens.training.trainer import train

if __name__ == "__main__":
    train(load(TrainSettings, Path(sys.argv[1]), ()), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["lightning", "torchrun"])
def test_a_run_on_two_processes_is_the_run_of_one(manifest: Path, pool: Path, tmp_path: Path, starter: str) -> None:
    trainer = pytest.importorskip("fxlens.training.trainer", reason="needs the extra [train]")
    alone = settings(
        manifest,
        pool,
        steps=3,
        checkpoint_every=3,
        torch_threads=1,
        model=dataclasses.replace(MODEL, extractor=ExtractorConfig("mlp", (0.0, 0.0))),
        query=QuerySettings(audio_share=0.0, noise=0.0),
    )
    trainer.train(alone, tmp_path / "one")
    dump(dataclasses.replace(alone, devices=2, loader_workers=1), tmp_path / "two.yaml")
    (tmp_path / "run.py").write_text(RUN)
    start = [sys.executable] if starter == "lightning" else [sys.executable, "-m", "torch.distributed.run"]
    if starter == "torchrun":
        start += ["--nproc-per-node", "2", "--master-port", str(free_port())]
    call = [*start, str(tmp_path / "run.py"), str(tmp_path / "two.yaml"), str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = losses_of(tmp_path / "one"), losses_of(tmp_path / "two")
    assert list(two) == list(one)
    np.testing.assert_allclose(list(two.values()), list(one.values()), rtol=2e-4)
    a = FxEncoder.from_pretrained(tmp_path / "one" / "model").state_dict()
    b = FxEncoder.from_pretrained(tmp_path / "two" / "model").state_dict()
    for name, value in a.items():
        if value.is_floating_point():
            # Adam divides by the gradient's size: where that is nothing but rounding, it still takes a step.
            assert float((b[name] - value).abs().mean()) < 1e-4, name
