"""``python -m fxlens.cli``."""

from __future__ import annotations

import sys

from fxlens.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
