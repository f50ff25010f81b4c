"""Ties a test from outside to the requirements it shows, in the form that the coverage gate reads."""
import functools
import os


def verifies(*requirements):
    """States which requirement ids a test shows; written down when the test has passed."""

    def decorate(function):
        @functools.wraps(function)
        def run(*arguments, **options):
            result = function(*arguments, **options)
            path = os.environ.get("CHAPERONE_REQUIREMENTS_LOG")
            if path:
                with open(path, "a") as log:
                    log.writelines(f"Outside/{function.__name__}\t{each}\n" for each in requirements)
            return result

        return run

    return decorate
