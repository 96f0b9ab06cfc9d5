"""For all tests: properties are judged by their answers, never by a busy machine's clock."""

from hypothesis import settings

settings.register_profile("wherry", deadline=None, print_blob=True)
settings.load_profile("wherry")
