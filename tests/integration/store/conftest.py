"""The stores over a fresh database, for each test."""

import pytest

from dialerd.store.pool import Pool
from tests.integration.store.scene import Stores


@pytest.fixture
def stores(pool: Pool) -> Stores:
    return Stores(pool)
