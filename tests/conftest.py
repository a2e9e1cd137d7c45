"""What holds for every test: no network, no skip under CI, no settings but its own."""

from __future__ import annotations

import os

pytest_plugins = ("closed_network", "services", "skips")

_OURS = ("AGORA_", "RECORDING_", "CELERY_", "SENTRY_", "FLOWER_")


def pytest_configure() -> None:
    """Forget whatever would configure the product on the machine of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
