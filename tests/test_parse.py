"""What the parser promises."""

import pytest

from tasks.output import SourceFacts, Text
from tasks.parse import parse_csv
from tasks.profile import Profile

PROFILE = Profile(title="Users", structure="{}")


def test_leading_zero_survives() -> None:
    table = parse_csv(Text(data=b"phone,name\n0049,None\n", facts=SourceFacts()), PROFILE)

    assert table.frame.rows() == [(2, 2, "0049", "None")]


@pytest.mark.parametrize("text", ["xڀ,b\n1,2\n", "a,b\nxڀ,2\n1\n", 'a,b\nx\x01,2\n1,"2\n', "x§y\nx§z\n"])
def test_a_text_that_begins_like_packed_data_is_text(text: str) -> None:
    delimiter = "§" if "§" in text else ","

    table = parse_csv(
        Text(data=text.encode(), facts=SourceFacts()), Profile(title="U", structure="{}", delimiter=delimiter)
    )

    assert (table.frame.height, table.malformed.height) == (1, text.count("\n") - 2)
