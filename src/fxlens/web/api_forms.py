"""The forms of the interface, and what becomes of their texts."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from fxlens.effects.chain import EffectChain
from fxlens.errors import PresetError, UsageError
from fxlens.index.conditions import moment_seconds, pairs
from fxlens.matching.chain_parts import MIX_CHAIN, chain_of, free_settings
from fxlens.matching.match import DEFAULT
from fxlens.matching.match_result import Level
from fxlens.matching.settings import Method
from fxlens.web.answers import SearchReference
from fxlens.web.forms import Form, FormField, FormSpec, Upload, number
from fxlens.web.match_job import MatchRequest
from fxlens.web.recordings import Recording

_MOST_STEPS, _MOST_RESTARTS, _MOST_EXCERPTS = 2000, 16, 8
_LARGEST_PRESET = 1_000_000

EMBED = FormSpec(
    (
        FormField("file", "recordings, of any length and rate", file=True, many=True, required=True),
        FormField("query", "an instrument to embed instead of the whole, e.g. vocals", many=True),
        FormField("query_audio", "a recording of the instrument alone, instead of its name", file=True),
        FormField("pool", "one vector a recording, or one a window", values=("mean", "none"), default="mean"),
        FormField("hop_seconds", "from window to window", default="no overlap"),
    )
)
DESCRIBE = FormSpec(
    (
        FormField("file", "the recording", file=True, required=True),
        FormField("query", "an instrument in it, or mix for the whole", many=True, default="mix"),
        FormField("query_audio", "a recording of the instrument alone, instead of its name", file=True),
    )
)
SEARCH = FormSpec(
    (
        FormField("file", "references to search by", file=True, many=True, required=True),
        FormField("query", "the instrument meant: one for all references, or one for each", many=True),
        FormField("at", "only the moment that begins here, e.g. 72 or 1:12; one for each", many=True),
        FormField("weight", "of each reference; negative searches away from it", many=True, default="1"),
        FormField("where", "key=value: only files with this tag, song or path (* stands for anything)", many=True),
        FormField("k", "recordings wanted", default="10"),
    )
)
MATCH = FormSpec(
    (
        FormField("dry", "the track to be processed: one instrument, or a mix", file=True, required=True),
        FormField("reference", "what it shall sound like", file=True, many=True, required=True),
        FormField("weight", "of each reference, above 0", many=True, default="1"),
        FormField("query", "the instrument of the references that is meant"),
        FormField("query_audio", "a recording of that instrument alone, instead of its name", file=True),
        FormField("chain", "names of effects in order, e.g. eq,comp,reverb", default="the mix chain"),
        FormField("preset", "a chain (JSON) as first guess, instead of names", file=True),
        FormField("lock", "what keeps its settings, e.g. delay or delay.time_ms", many=True),
        FormField("amount", "share of the effects that is applied, 0 to 1", default="1"),
        FormField("level", "loudness of the result: dry, reference, or LUFS", default="dry"),
        FormField("method", "how it is searched", values=("gradient", "cma", "auto"), default=DEFAULT.method),
        FormField("steps", "of each restart", default=str(DEFAULT.steps)),
        FormField("restarts", "start points that are followed", default=str(DEFAULT.restarts)),
        FormField("seconds", "length of the excerpt that is matched", default="5"),
        FormField("excerpts", "how many excerpts", default="1"),
        FormField("seed", "another seed, another search", default="0"),
    )
)


def search_references(form: Form, recordings: list[Recording]) -> list[SearchReference]:
    """What is searched by.

    Raises:
        UsageError: values that do not fit the files, or cannot be read.
    """
    count = len(recordings)
    queries = form.for_each("query", count, None, str.strip)
    moments = form.for_each("at", count, None, moment_seconds)
    weights = form.for_each("weight", count, 1.0, lambda text: number(text, "weight", float))
    return [
        SearchReference(one, query, weight, at)
        for one, query, weight, at in zip(recordings, queries, weights, moments, strict=True)
    ]


def where(form: Form) -> dict[str, str]:
    """Conditions on the files.

    Raises:
        UsageError: one is not ``key=value``.
    """
    return conditions(form.every("where"))


def conditions(texts: list[str]) -> dict[str, str]:
    """Read ``key=value`` texts.

    Raises:
        UsageError: one is none.
    """
    return pairs(texts, "where", "key=value")


def match_request(form: Form, recordings: dict[str, list[Recording]]) -> MatchRequest:
    """What is to be matched.

    Raises:
        UsageError: values that cannot be.
    """
    chain, locks, amount = _chain(form), tuple(form.every("lock")), form.number("amount", float, 1.0)
    free_settings(chain if isinstance(chain, EffectChain) else chain_of(chain or MIX_CHAIN), locks, DEFAULT.ranges)
    if not 0.0 <= amount <= 1.0:
        raise UsageError(f"amount must lie between 0 and 1, not {amount:g}")
    references = recordings["reference"]
    weights = form.for_each("weight", len(references), 1.0, lambda text: number(text, "weight", float))
    steps, restarts = form.number("steps", int, DEFAULT.steps), form.number("restarts", int, DEFAULT.restarts)
    method = cast("Method", form.text("method") or DEFAULT.method)  # the form allows no other
    settings = replace(DEFAULT, method=method, seed=form.number("seed", int, 0))
    return MatchRequest(
        recordings["dry"][0],
        references,
        weights if form.every("weight") else None,
        form.text("query"),
        next(iter(recordings.get("query_audio", ())), None),
        chain,
        locks,
        amount,
        _level(form.text("level") or "dry"),
        form.number("seconds", float, 5.0),
        at_most("excerpts", form.number("excerpts", int, 1), _MOST_EXCERPTS),
        replace(
            settings,
            steps=at_most("steps", steps, _MOST_STEPS),
            restarts=at_most("restarts", restarts, _MOST_RESTARTS),
        ),
    )


def at_most(name: str, value: int, most: int) -> int:
    """Refuse what would occupy the server for hours.

    Raises:
        UsageError: it is more.
    """
    if value > most:
        raise UsageError(f"{name} can be {most} here, not {value}; use fxlens match for more")
    return value


def preset(upload: Upload) -> EffectChain:
    """Read a chain that was sent.

    Raises:
        PresetError: it is none.
    """
    if upload.path.stat().st_size > _LARGEST_PRESET:
        raise PresetError(f"{upload.name}: too large for a preset; send the JSON of one chain")
    try:
        return EffectChain.load(upload.path)
    except PresetError as error:
        raise PresetError(str(error).replace(str(upload.path), upload.name)) from None


def _chain(form: Form) -> EffectChain | list[str] | None:
    sent = form.files.get("preset")
    names = [name.strip() for text in form.every("chain") for name in text.split(",") if name.strip()]
    if sent and names:
        raise UsageError("give either a chain by its names or a preset, not both; leave one out")
    return preset(sent[0]) if sent else names or None


def _level(text: str) -> Level:
    if text == "dry":
        return "dry"
    if text == "reference":
        return "reference"
    return number(text, "level", float)
