"""Real PHP as judge: many snippets in one process."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

ORACLE = Path(__file__).with_suffix(".php")


@cache
def missing() -> str:
    """Why PHP cannot judge here; "" when it can."""
    php = shutil.which("php")
    if php is None:
        return "php is not installed (apt-get install php-cli php-mbstring)"
    modules = subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout.split()
    return "" if "mbstring" in modules else "php has no mbstring (apt-get install php-mbstring)"


def run_php(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What PHP answers to each {row, snippet}: {printed, truthy, list} or {error}. `$row` gets no empty cells."""
    asked = [{"snippet": c["snippet"], "row": {k: v for k, v in c["row"].items() if v != ""}} for c in cases]
    done = subprocess.run(
        ["php", str(ORACLE)], input=json.dumps(asked).encode(), capture_output=True, check=True, timeout=60
    )
    return json.loads(done.stdout)
