"""A child of `rollcall up` does not outlive it, however it ends."""

import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import os, subprocess, sys, time
tied = [sys.executable, "-m", "deployments.tied", str(os.getpid()), sys.executable, "-c", sys.argv[1]]
print(subprocess.Popen(tied, start_new_session=True, stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(60)
"""


def is_running(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_tied_command_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    child = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        tied = int(parent.stdout.readline())
        while not begun.exists():
            time.sleep(0.05)
        assert is_running(tied)
        parent.kill()

    until = time.monotonic() + 30
    while is_running(tied) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(tied)


def test_a_command_whose_parent_is_gone_already_does_not_begin() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    done = subprocess.run(
        [sys.executable, "-m", "deployments.tied", str(gone.pid), "/bin/echo", "begun"],
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, b"")
