from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "lamassu"


@pytest.fixture
def sample() -> Path:
    """Return the folder of the sample, exported from a real Lamassu schema."""
    return DATA
