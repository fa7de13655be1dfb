"""Becomes a command that does not outlive the process that started it: `python -m deployments.tied PARENT COMMAND...`.

The kernel is asked to end this very process when its parent ends, however that ends; becoming the command keeps the
wish. Only Linux knows it: elsewhere a killed parent leaves its children behind.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""Source: prctl(2)."""


def end_with_parent(parent: int) -> None:
    """Asks for SIGTERM at the parent's end; when it has ended before, this process ends now."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command of `rollcall up`
