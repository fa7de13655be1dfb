"""A lease: a lock on a file, which the kernel drops with the process that holds it, however that ends."""

import fcntl
import os
from pathlib import Path


def take_lease(path: Path) -> int:
    """Holds the lease beside whoever holds it already, until the descriptor is closed.

    Raises: FileNotFoundError where there is no such folder (any more).
    """
    lease = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lease, fcntl.LOCK_SH)
    return lease


def is_held(path: Path) -> bool:
    """Whether any process holds the lease.

    Raises: FileNotFoundError where there is no such folder (any more).
    """
    lease = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lease)
    return False
