"""``fxlens match``."""

from __future__ import annotations

from fxlens.cli import match_options as given
from fxlens.cli.match_batch import match_batch
from fxlens.cli.match_one import match_one
from fxlens.cli.match_request import MatchRequest
from fxlens.cli.model_option import Device, DeviceOption, ModelOption
from fxlens.cli.rooms_option import RoomsOption
from fxlens.errors import UsageError


def match(
    dry: given.DryArgument,
    reference: given.ReferenceOption,
    output: given.OutputOption,
    query: given.QueryOption = None,
    query_audio: given.QueryAudioOption = None,
    weight: given.WeightOption = None,
    chain: given.ChainOption = None,
    lock: given.LockOption = None,
    amount: given.AmountOption = 1.0,
    level: given.LevelOption = "dry",
    method: given.MethodOption = given.SearchMethod.gradient,
    steps: given.StepsOption = 200,
    restarts: given.RestartsOption = 3,
    seconds: given.SecondsOption = 5.0,
    excerpts: given.ExcerptsOption = 1,
    seed: given.SeedOption = 0,
    preset: given.PresetOption = None,
    export: given.ExportOption = None,
    curve: given.CurveOption = None,
    total: given.SumOption = None,
    suffix: given.SuffixOption = None,
    resume: given.ResumeOption = False,
    rooms: RoomsOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    as_json: given.JsonOption = False,
) -> None:
    """Find effects that make a dry track sound processed like a reference, and apply them.

    The reference may be a full mix: --query names the instrument of it that is meant. The preset that is written
    gives the same samples under fxlens apply. In a batch every stem is matched to its own instrument of the
    reference, which its name says (vox_double.wav), and has a preset and a report beside its result. Ctrl-C during the
    search of one track writes the best so far.
    """
    batch = len(dry) > 1 or dry[0].is_dir()
    every, named = given.queries_of(query, batch)
    request = MatchRequest(
        dry=tuple(dry), references=tuple(reference), output=output, query=every, named=named, query_audio=query_audio,
        weights=tuple(weight) if weight else None, chain=given.chain_named(chain, rooms), locks=tuple(lock or ()),
        amount=amount, level=given.level_named(level), method=method.value, steps=steps, restarts=restarts,
        seconds=seconds, excerpts=excerpts, seed=seed, exports=tuple(export or ()), preset=preset, curve=curve,
        total=total, suffix=suffix, resume=resume, model=model, device=device, as_json=as_json,
    )  # fmt: skip
    single = {"--preset": preset, "--curve": curve, "--query-audio": query_audio}
    several = {"--sum": total, "--suffix": suffix, "--resume": resume or None}
    for option, value in (single if batch else several).items():
        if value is not None:
            raise UsageError(f"{option} is for {'one track' if batch else 'a batch of stems'}")
    if batch:
        match_batch(request)
    else:
        match_one(request)
