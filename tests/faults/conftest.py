"""Drills use what acceptance tests use: a laboratory, a daemon on a database that outlives it, and a desk to work at."""

from tests.acceptance.conftest import daemon as daemon
from tests.acceptance.conftest import desk as desk
from tests.acceptance.conftest import lab as lab
from tests.acceptance.conftest import pytest_pyfunc_call as pytest_pyfunc_call
from tests.acceptance.conftest import pytest_runtest_makereport as pytest_runtest_makereport
