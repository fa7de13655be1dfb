"""How Rollcall runs Prefect: environment defaults, set before Prefect is imported for the first time.

What the environment already says wins, except where a secret would leak: every log handler carries our filter.
"""

import os
import sys
from pathlib import Path
from typing import Final

LOGGING: Final = Path(__file__).with_name("prefect_logging.yml")

_CONSOLE_LEVEL: Final = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"

_DEFAULTS: Final = {
    # Nobody is called who was not asked for.
    "DO_NOT_TRACK": "1",
    # Our loggers also speak outside of flow runs (provisioning, console): there the API has nothing to hang a log on.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Runs tell their story to the server; a terminal hears of trouble only.
    "PREFECT_LOGGING_LEVEL": "INFO",
    _CONSOLE_LEVEL: "WARNING",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "rollcall",
    # Without PREFECT_API_URL: a server for the time of the command, on the database that PREFECT_HOME keeps.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}

EPHEMERAL: Final = {
    # A server that lives for one command needs neither pages nor blocks nor automations.
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}


def leave_the_terminal_to_the_command() -> None:
    """For a command that tells a failure itself, in one text: Prefect's words about it go to the server only.

    Call it before `prepare_prefect`, and so before Prefect is imported.
    """
    os.environ.setdefault(_CONSOLE_LEVEL, "CRITICAL")


def prepare_prefect() -> None:
    """Sets the environment that Prefect reads when it is imported; call it before, from the place that imports it.

    Raises: RuntimeError when Prefect was imported without our log filter.
    """
    if "prefect" in sys.modules and os.environ.get("PREFECT_LOGGING_CONFIG_PATH") != str(LOGGING):
        raise RuntimeError("prefect was imported before prepare_prefect(): its logs would not be redacted")
    os.environ["PREFECT_LOGGING_CONFIG_PATH"] = str(LOGGING)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
