"""What several models hear together: its cosine, its map to a student, and a student that learns it."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny_run import BATCH, MODEL, losses_of, settings
from torch import Tensor

from fxlens.data.dataset import StyleBatches
from fxlens.errors import ConfigError
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.heard import Heard
from fxlens.training.joint_hearing import JointHearing, load_teachers
from fxlens.training.objectives import build_objective
from fxlens.training.settings import LossSettings
from fxlens.training.trainer import train

SEEING = dataclasses.replace(MODEL, frontend=dataclasses.replace(MODEL.frontend, wave=True), name="seeing")


def untrained(seed: int, **changes: object) -> FxEncoder:
    torch.manual_seed(seed)
    return FxEncoder(dataclasses.replace(MODEL, **changes)).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clips(pool: Path) -> Tensor:
    """Spectrograms of 48 different clips."""
    front = untrained(0).frontend
    batches = StyleBatches(pool, BATCH, seed=3, batches=3)
    return torch.cat([front(batches[i][name].flatten(0, 1)) for i in range(3) for name in ("mixture", "stem")])


def test_the_joint_cosine_is_the_mean_of_the_teachers_cosines(clips: Tensor) -> None:
    teachers = [untrained(1), untrained(2, projection_dims=(32, 24))]
    joint = JointHearing(teachers, 16).joint(clips)
    with torch.inference_mode():
        single = [Heard(teacher, clips).mixture for teacher in teachers]
    mean = sum(z @ z.T for z in single) / 2
    assert joint.shape == (48, 40)
    torch.testing.assert_close(joint @ joint.T, mean, atol=0.02, rtol=0.0)  # teachers may run in bfloat16


def test_the_map_turns_what_is_heard_to_where_the_student_hears_it(clips: Tensor) -> None:
    teacher = untrained(1)
    student = copy.deepcopy(teacher)
    turn = torch.linalg.qr(torch.randn(16, 16))[0]
    last = student.projection[-1]
    with torch.no_grad():
        last.weight.copy_(turn @ last.weight)
        last.bias.copy_(turn @ last.bias)
    joint = JointHearing([teacher, teacher], 16)
    assert joint.fit([clips[:20], clips[20:]], student) == pytest.approx(1.0, abs=1e-3)
    with torch.inference_mode():
        own = Heard(student, clips).mixture
    assert ((joint(clips) * own).sum(dim=1) > 0.999).all(), "the same hearing, turned"
    kept = F.normalize(joint.joint(clips) @ joint.turned, dim=1)
    torch.testing.assert_close(kept @ kept.T, joint.joint(clips) @ joint.joint(clips).T, atol=1e-3, rtol=0.0)


def test_a_student_learns_it_and_its_checkpoint_holds_no_teacher(manifest: Path, pool: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for seed, folder in enumerate(folders, 1):
        untrained(seed).save_pretrained(folder)
    loss = LossSettings(instrument_weight=0.0, stem_view=True, contrast=0.0, teachers=tuple(folders))
    batch = dataclasses.replace(BATCH, extraction_groups=0)
    own = settings(manifest, pool, loss=loss, batch=batch, model=SEEING, steps=25, checkpoint_every=25)
    objective = build_objective(own, pool)
    assert not [name for name in objective.task.state_dict() if "teacher" in name]
    assert objective.task.state_dict()["joint.turned"].shape == (32, 16)
    train(own, tmp_path / "run")
    losses = losses_of(tmp_path / "run")
    assert losses[25] < 0.5 * losses[1], losses


def test_an_interrupted_lesson_resumes_exactly(manifest: Path, pool: Path, tmp_path: Path) -> None:
    untrained(1).save_pretrained(tmp_path / "teacher")
    loss = LossSettings(instrument_weight=0.0, contrast=0.5, teachers=(tmp_path / "teacher",))
    own = settings(manifest, pool, loss=loss, batch=dataclasses.replace(BATCH, extraction_groups=0))
    train(own, tmp_path / "whole")
    train(dataclasses.replace(own, stop_at_step=4), tmp_path / "cut")
    train(own, tmp_path / "cut", resume=True)
    assert losses_of(tmp_path / "cut") == losses_of(tmp_path / "whole")


def test_teachers_that_cannot_teach_are_named(tmp_path: Path) -> None:
    other = dataclasses.replace(MODEL.frontend, n_mels=24)
    FxEncoder(dataclasses.replace(MODEL, frontend=other)).save_pretrained(tmp_path / "coarse")
    with pytest.raises(ConfigError, match=r"coarse: its front end is another"):
        load_teachers([tmp_path / "coarse"], untrained(0))
    FxEncoder(SEEING).save_pretrained(tmp_path / "seeing")
    with pytest.raises(ConfigError, match=r"seeing: its front end is another"):
        load_teachers([tmp_path / "seeing"], untrained(0))
    with pytest.raises(ConfigError, match="16 numbers together, the student's 32"):
        JointHearing([untrained(1)], 32)
