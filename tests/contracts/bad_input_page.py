"""Write docs/bad-input.md from the cases that the tests try: ``python tests/contracts/bad_input_page.py``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bad_input_cases import CASES, Case

from fxlens.errors import AudioError
from fxlens.models.fx_encoder import FxEncoder
from fxlens.web.refusals import status_of

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"

HEAD = """# Bad input

What happens with recordings that cannot be used, and with some that only look like it. The tables are written from the
cases that the tests try at every door: the commands `embed`, `index add`, `search`, `describe`, `match` and `apply`,
the functions behind them, and `/v1/embed`, `/v1/search`, `/v1/describe` and `/v1/match`.

Every refusal names the file, what is wrong, and what to do next. On the command line it is one line on stderr and exit
code 1; where other files could be used they are, the code is 3, and `embed` lists the failures in
`OUTPUT.errors.jsonl`. In Python it is an error of `fxlens.errors`, whose `source` is the file. Over HTTP it is JSON,
`{"error": {"type", "message", "next_step"}}`, under the status below; uploads are deleted in any case.

## Recordings

"""

TAIL = """
`apply` processes silence as it does anything else. Only a match listens to the loudness of what it is given: it refuses
a dry track below -60 LUFS. Over HTTP a file that is not sent is a missing field: 422.

## Long recordings

| | |
| --- | --- |
| three hours: every command | taken; at most 150 MB more than for three minutes (`test_bad_input_long.py`) |
| three hours over HTTP | 413 `TooLongError` by the header alone (`--max-minutes` of `fxlens serve`) |
| a file larger than `--max-upload-mb` over HTTP | 413 `TooLargeError`, as soon as that much has arrived |

## Where results go

A folder that cannot be written, or a full disk, is an `OutputError` and exit code 1: *cannot be written (Permission
denied); check permissions and free space*. What was there before stays as it was, and besides what this table names
nothing is left behind.

| | |
| --- | --- |
| `embed` on a full disk | finished files are kept in `OUTPUT.partial`; `--resume` goes on |
| `index add` on a full disk | what was added is kept and can be searched; the same call goes on |
| `fxlens serve` on a full disk | 507 with `Retry-After`; the upload is deleted |
| an index in a folder that cannot be written | can be searched; `index add` and `index remove` are refused |

## Interruptions

Ctrl-C, SIGTERM and SIGKILL at any moment cost at most the files in work. `fxlens embed --resume` then ends with the
same bytes as a run that was left alone, and `fxlens index add` with the same vectors, rows and hits: the tests kill
both ten times, at moments spread over the work. Exit codes: 130 by Ctrl-C, 143 by SIGTERM.
"""


def message_of(case: Case, encoder: FxEncoder, folder: Path) -> tuple[str, int] | None:
    """What embedding says of a case, without folders, and the HTTP status; ``None`` where it is taken."""
    file = case.make(folder)
    try:
        encoder.encode(file)
    except AudioError as error:
        return str(error).replace(f"{folder}/", ""), status_of(error)
    return None


def page(encoder: FxEncoder, folder: Path) -> str:
    """The whole page."""
    lines = ["| what is given | what becomes of it | error | HTTP |", "| --- | --- | --- | --- |"]
    for case in CASES:
        found = message_of(case, encoder, folder)
        if found is None:
            lines.append(f"| {case.name} | taken: {case.becomes} | | 200 |")
        else:
            assert case.error is not None, found
            status = "422" if case.name == "no such file" else str(found[1])
            lines.append(f"| {case.name} | `{found[0]}` | `{case.error.__name__}` | {status} |")
    return HEAD + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    from tiny_serving import write_model

    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "songs").mkdir()
        model = FxEncoder.from_pretrained(write_model(Path(made) / "tiny"))
        PAGE.write_text(page(model, Path(made) / "songs"), encoding="utf-8")
