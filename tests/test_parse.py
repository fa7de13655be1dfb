"""What the parser promises."""

from tasks.output import SourceFacts, Text
from tasks.parse import parse_csv
from tasks.profile import Profile

PROFILE = Profile(title="Users", structure="{}")


def test_leading_zero_survives() -> None:
    table = parse_csv(Text(data=b"phone,name\n0049,None\n", facts=SourceFacts()), PROFILE)

    assert table.frame.rows() == [(2, 2, "0049", "None")]
