import pytest

from .story import Story


@pytest.fixture
def story(tmp_path):
    told = Story(tmp_path / "data")
    yield told
    told.end()
