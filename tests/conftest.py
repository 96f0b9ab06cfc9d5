"""For all tests: properties are judged by their answers, never by a busy machine's clock."""

from hypothesis import HealthCheck, settings

# A starved machine is slow at making examples, too.
settings.register_profile(
    "wherry",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("wherry")
