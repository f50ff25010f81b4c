#!/usr/bin/env python3
"""Writes assets.c anew: one #embed and one ENTRY for each file under pages/ and demo/. Run it after adding a file."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent


def main() -> None:
    files = sorted(p.relative_to(ROOT) for d in ("pages", "demo") for p in (ROOT / d).rglob("*") if p.is_file())
    named = [(re.sub(r"[^a-z0-9]", "_", str(p).lower()), p) for p in files if not p.name.startswith(".")]
    lines = ['#include "CAssets.h"', "", "// Written by embed.py.", '#pragma clang diagnostic ignored "-Wc23-extensions"', ""]
    for name, path in named:
        lines += [f"static const unsigned char {name}[] = {{", f'#embed "{path}"', "};"]
    lines += ["", "#define ENTRY(identifier, path) {path, identifier, sizeof identifier}", ""]
    lines += ["static const chaperone_asset table[] = {"]
    lines += [f'    ENTRY({name}, "{path}"),' for name, path in named]
    lines += ["    {NULL, NULL, 0},", "};", "", "const chaperone_asset *const chaperone_assets = table;", ""]
    (ROOT / "assets.c").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
