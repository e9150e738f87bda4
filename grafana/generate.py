#!/usr/bin/env python3
"""Writes the dashboards, in English beside this file and in Chinese under `zh`, from `boards`.

    python3 grafana/generate.py            rewrites them
    python3 grafana/generate.py --check    only says which are not in step; exit status 1 if any
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True  # this folder is what Grafana is pointed at

from boards import BOARDS  # noqa: E402
from boards.text import render  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = {"en": HERE, "zh": HERE / "zh"}


def files():
    """Every file and what belongs in it."""
    for name, board in BOARDS.items():
        described = board()
        for lang, folder in FOLDERS.items():
            yield folder / f"{name}.json", json.dumps(render(described, lang), ensure_ascii=False, indent=2) + "\n"


def main():
    wanted = dict(files())
    present = {path for folder in FOLDERS.values() for path in folder.glob("*.json")}
    stale = [path for path, text in wanted.items() if path not in present or path.read_text("utf-8") != text]
    stale += sorted(present - set(wanted))
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(HERE.parent)} is not what grafana/generate.py makes")
        return 1 if stale else 0
    for path in stale:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    print(f"{len(wanted)} dashboards, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
