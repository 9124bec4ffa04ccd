"""Puts Apache ECharts, which draws the report's charts, beside the page: out of a package, at build time.

What a build needs to know of it stands here: which file of which package, what it hashes to, and what becomes of it.
"""

import re
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "src/regsweep/report/page/echarts.js"
PACKAGE = "instaui_echarts"
FILE = "static/echarts.esm.min.js"
# Of echarts 6.1.0, as the project itself published it: dist/echarts.esm.min.js of its package on npm is the same.
SHA256 = "28515f26aa57f87eb1e4ed4eb446927eaf329b5f5e02b4bfd4b0264fea40d1da"
LICENCE = "src/regsweep/report/page/echarts-license.txt"


class EchartsHook(BuildHookInterface[BuilderConfig]):
    """Writes the library for the wheel that is built, or beside the sources of an editable one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Write it unless it is there."""
        place = Path(self.root, PLACE)
        notice = f"/*!\n{Path(self.root, LICENCE).read_text(encoding='utf-8')}{SHA256}\n*/\n"
        if not place.exists() or not place.read_text(encoding="utf-8").startswith(notice):
            partial = place.with_suffix(".partial")
            partial.write_text(notice + as_script(found()), encoding="utf-8")
            partial.replace(place)
        build_data["artifacts"].append(f"/{PLACE}")


def found() -> str:
    """Read the module out of its package, which must hold the very one that was looked at."""
    # The package is not imported: it has a framework of its own to start.
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{PACKAGE} is not installed, from which the report's charts come; see pyproject.toml")
    content = Path(spec.origin).parent.joinpath(FILE).read_bytes()
    if sha256(content).hexdigest() != SHA256:
        raise RuntimeError(f"{PACKAGE}: {FILE} is not the ECharts that was looked at; it hashes to something else")
    return content.decode()


def as_script(module: str) -> str:
    """Make a script of the module: a page that is one file has nothing to import it from."""
    body, _, exports = module.rpartition("export{")
    names = {exported: own for own, exported in re.findall(r"([\w$]+) as (\w+)", exports)}
    if not body or "init" not in names:
        raise RuntimeError("ECharts does not export `init` at its end")
    return f'(function(){{"use strict";{body}\nglobalThis.echarts={{init:{names["init"]}}};}})();\n'
