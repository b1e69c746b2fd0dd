"""Turn measured rates into days and money, and rewrite the table in docs/scale.md.

    python benchmarks/encoder_capacity.py                        # rates of docs/benchmarks/encoder.json
    python benchmarks/encoder_capacity.py --real-time 5000 --machine-hour 2.5 --output -    # another machine, to stdout

Time is songs times their length over the rate; machines divide it, since shards share nothing. Disk is what the rows
take. Prices are the reader's to set: the default is a round number, not an offer.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RATES, PAGE = ROOT / "docs" / "benchmarks" / "encoder.json", ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- capacity begins -->", "<!-- capacity ends -->"
SONGS = (10_000, 1_000_000, 100_000_000)
ROW_BYTES = 128 * 4 + 8 + 8 + 64
"""A float32 embedding of 128 numbers, two times, a path."""


@dataclass(frozen=True)
class Machine:
    """One worker.

    Args:
        name: in the table.
        real_time: seconds of music a second.
        hour: price of an hour.
    """

    name: str
    real_time: float
    hour: float


def measured(path: Path, hour: float) -> list[Machine]:
    """The quickest way of each kind that the benchmark has measured."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    best: dict[tuple[str, str], float] = {}
    for row in facts["files"]:
        key = (row["what"], row["precision"])
        best[key] = max(best.get(key, 0.0), row["real_time"])
    cores = facts["cores"]
    return [Machine(f"{what}, {precision}, {cores} cores", rate, hour) for (what, precision), rate in best.items()]


def capacity(machine: Machine, songs: int, song_seconds: float, machines: int) -> tuple[float, float, float]:
    """Hours on so many machines, price, and bytes of the rows with one row a song."""
    hours = songs * song_seconds / machine.real_time / 3600.0
    return hours / machines, hours * machine.hour, float(songs * ROW_BYTES)


def table(found: list[Machine], song_seconds: float, machines: int) -> str:
    """The page's part between its marks."""
    rows = [
        f"Songs of {song_seconds:g} s, one row each; {found[0].hour:g} an hour and machine, in whatever currency. "
        "Days are those of one machine and of "
        f"{machines}.\n",
        "| what, on | times real time | songs | days, 1 machine | days, " + f"{machines} | price | rows on disk |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for machine in found:
        for songs in SONGS:
            hours, price, size = capacity(machine, songs, song_seconds, 1)
            cells = [machine.name, f"{machine.real_time:.0f}", f"{songs:,}", _round(hours / 24)]
            rows.append("| " + " | ".join([*cells, _round(hours / 24 / machines), _round(price), _bytes(size)]) + " |")
    return "\n".join(rows) + "\n"


def _round(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _bytes(size: float) -> str:
    for unit in ("kB", "MB", "GB"):
        size /= 1000.0
        if size < 1000.0:
            return f"{size:.3g} {unit}"
    return f"{size / 1000.0:.3g} TB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=Path, default=RATES)
    parser.add_argument("--real-time", type=float, help="one rate instead of the measured ones")
    parser.add_argument("--machine-hour", type=float, default=0.1, help="price of an hour of a machine")
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--song-seconds", type=float, default=210.0)
    parser.add_argument("--output", "-o", default=str(PAGE), help="the page to rewrite, or - for stdout")
    told = parser.parse_args()
    if told.real_time is None and not told.rates.is_file():
        parser.error(f"{told.rates} is not there: run benchmarks/encoder.py, or say --real-time")
    if told.real_time is None:
        found = measured(told.rates, told.machine_hour)
    else:
        found = [Machine("as told", told.real_time, told.machine_hour)]
    text = table(found, told.song_seconds, told.machines)
    if told.output == "-":
        sys.stdout.write(text)
        return
    page = Path(told.output)
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        parser.error(f"{page} lacks the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    print(f"written: {page}")


if __name__ == "__main__":
    main()
