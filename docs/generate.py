"""Writes the pages that are made from the code: the profile's JSON Schema and the catalogue of codes.

Run it as `python docs/generate.py`; a test holds the pages to what the code says.
"""

import json
from pathlib import Path

from tasks.issue import CATALOGUE
from tasks.profile import Profile

HERE = Path(__file__).parent


def profile_schema() -> str:
    """The JSON Schema of a profile, for editors that complete and check YAML."""
    schema = Profile.model_json_schema()
    schema["properties"].pop("name")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def codes_page() -> str:
    """Every code that an issue can have, what it means and what to do."""
    lines = [
        "# What can be wrong with a row",
        "",
        "An issue has a row (as a spreadsheet counts: the header is 1), a column, one of these codes and a sentence.",
        "`error`: the row, or a part of it such as its phone, did not get in. `warning`: all got in, look at it.",
        "",
    ]
    for severity in ("error", "warning"):
        lines += [f"## {severity}", "", "| code | what it means | what to do |", "|---|---|---|"]
        rules = sorted((rule for rule in CATALOGUE.values() if rule.severity == severity), key=lambda rule: rule.code)
        lines += [f"| `{rule.code}` | {rule.title} | {rule.remedy} |" for rule in rules]
        lines.append("")
    return "\n".join(lines)


PAGES = {"profile.schema.json": profile_schema, "codes.md": codes_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), "utf-8")
