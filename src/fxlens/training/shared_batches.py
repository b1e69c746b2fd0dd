"""One batch for several processes: each makes its turn of the batches, and every batch is dealt out to all.

So no batch is made twice, and what the processes learn from together is the batch that one process alone would have
had. Rows, the pairs of a batch, are dealt out in runs of neighbours; what belongs to the batch as a whole, query
excerpts and the target's name, goes to everyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler

from fxlens.data.style_labels import LABELS
from fxlens.training.gathering import process_count, process_rank

ROWS = (
    "mixture",
    "extraction",
    "stem",
    "own",
    *(f"{part}_{label}" for part in ("mixture", "stem") for label in LABELS),
)
"""Parts of a batch whose first axis counts pairs."""


class OwnTurns(Sampler[int]):
    """Of the batches that a sampler names, those that this process makes.

    Args:
        sampler: names the same batches in every process.
    """

    def __init__(self, sampler: Sampler[int]) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[int]:
        rank, count = process_rank(), process_count()
        return iter([index for index in self.sampler if index % count == rank])


class SharedBatches:
    """Batches of all processes in order, this process's rows of each.

    Args:
        own: loader over :class:`OwnTurns`.
        sampler: names the batches of an epoch, the same in every process.
    """

    def __init__(self, own: Iterable[Mapping[str, Any]], sampler: Sampler[int]) -> None:
        self.own, self.sampler = own, sampler
        self._group: dist.ProcessGroup | None = None

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rank, count = process_rank(), process_count()
        if self._group is None:  # what the loader makes lies in main memory, which only gloo sends from
            self._group = dist.new_group(backend="gloo")
        own = iter(self.own)
        for index in list(self.sampler):
            source = index % count
            yield deal(next(own) if source == rank else None, source, self._group)


def deal(item: Mapping[str, Any] | None, source: int, group: dist.ProcessGroup | None = None) -> dict[str, Any]:
    """This process's part of a batch that process ``source`` has; all must call it.

    Args:
        item: the batch, in process ``source``.
        source: rank.
        group: a group that sends from main memory; the default one if not given.
    """
    if item is not None:
        heads = {
            name: (value.shape, value.dtype) if isinstance(value, Tensor) else value for name, value in item.items()
        }
        tensors = {name for name, value in item.items() if isinstance(value, Tensor)}
    box: list[Any] = [None if item is None else (heads, tensors)]
    dist.broadcast_object_list(box, src=source, group=group)
    heads, tensors = box[0]
    mine: dict[str, Any] = {}
    for name, head in heads.items():
        if name not in tensors:
            mine[name] = head
        elif name in ROWS:
            mine[name] = _dealt_rows(None if item is None else item[name], head, source, group)
        else:
            whole = torch.empty(head[0], dtype=head[1]) if item is None else item[name].contiguous()
            dist.broadcast(whole, src=source, group=group)
            mine[name] = whole
    return mine


def _dealt_rows(
    rows: Tensor | None, head: tuple[torch.Size, torch.dtype], source: int, group: dist.ProcessGroup | None
) -> Tensor:
    shape, dtype = head
    sizes = [len(part) for part in torch.arange(shape[0]).tensor_split(process_count())]
    if rows is None:
        part = torch.empty((sizes[process_rank()], *shape[1:]), dtype=dtype)
        dist.recv(part, src=source, group=group)
        return part
    parts = rows.split(sizes)
    sent = [dist.isend(part.contiguous(), dst=rank, group=group) for rank, part in enumerate(parts) if rank != source]
    for sending in sent:
        if sending is not None:
            sending.wait()
    return parts[source]
