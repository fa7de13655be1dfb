"""Steps as tasks of a real flow on a real server: what is cached, what runs again, what is retried."""

import subprocess
import sys

import pytest

from tasks.output import Output
from tasks.step import step


def make_nothing() -> Output:
    return Output()


def test_a_step_needs_no_prefect_until_it_is_called() -> None:
    program = "import sys, tasks.step; print('prefect' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"


def test_a_step_keeps_its_function_and_its_words() -> None:
    made = step("parse", version=1, reads=("delimiter",))(make_nothing)

    assert made.function is make_nothing
    assert made.name == "parse"
    assert made.conduct.artifact_key == "03-parse"


def test_a_step_reads_only_what_a_profile_has() -> None:
    with pytest.raises(ValueError, match="step parse reads delimeter, which no profile has"):
        step("parse", version=1, reads=("delimeter",))
