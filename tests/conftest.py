"""For all tests: one thread a process, since the processes already share the cores."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
