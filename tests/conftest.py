"""Profiles for the property tests; ``HYPOTHESIS_PROFILE`` chooses one."""

import os
import signal

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("default", deadline=None, max_examples=200, print_blob=True)
settings.register_profile("brief", settings.get_profile("default"), max_examples=50)
settings.register_profile("long", settings.get_profile("default"), max_examples=5000)
# One failing example is enough to catch a mutant, so nothing is shrunk, kept or told twice. Slowness is no catch.
settings.register_profile(
    "mutant",
    deadline=None,
    max_examples=300,
    phases=[Phase.explicit, Phase.generate],
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("control", settings.get_profile("mutant"), max_examples=50)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Who runs the tests in the background of a shell hands down an ignored Ctrl-C, and our commands would rightly ignore it
# too; what is handled here, a new process has as it should be.
signal.signal(signal.SIGINT, signal.default_int_handler)
