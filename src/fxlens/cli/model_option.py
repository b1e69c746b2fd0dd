"""``-m`` and ``-d``: which model, and where it runs."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder


class Device(str, Enum):
    """Where a model can run; ``auto`` takes what is fastest here."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Folder, name of a shipped model, or org/name on the Hugging Face Hub.",
        show_default="the shipped model",
    ),
]  # fmt: skip
DeviceOption = Annotated[Device, typer.Option("--device", "-d", help="Where the model runs.")]


def load_model(model: str | None, device: Device) -> FxEncoder:
    """Load a model onto a device.

    Raises:
        UsageError: there is no such device here.
        ModelUnavailableError: there is no such model.
    """
    from fxlens.models.fx_encoder import FxEncoder

    return FxEncoder.from_pretrained(model, device=choose_device(device))


def choose_device(device: Device) -> str:
    """Name the device as torch does.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is Device.auto:
        return next(name for name, there in present.items() if there)
    if not present[device.value]:
        raise UsageError(f"device {device.value}: there is none here that torch can use; leave out -d")
    return device.value
