"""What went wrong outside is said in words, with nothing of Python in it."""

import asyncio
import socket
import ssl

import pytest

from dca_bot.demo.lnbits_process import free_port
from dca_bot.errors import in_words


async def error_of(work):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever the real parts raise
        await work
    return raised.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_refused_connection_is_said_in_words(host):
    error = await error_of(asyncio.open_connection(host, free_port()))
    assert "Errno" in str(error)
    assert in_words(error) == "Connection refused"


async def test_name_that_nobody_knows_is_said_in_words():
    error = await error_of(asyncio.open_connection("nowhere.invalid", 1))
    assert isinstance(error, socket.gaierror)
    assert "[" not in in_words(error)
    assert "name" in in_words(error).lower()


def test_file_that_cannot_be_read_is_said_in_words(tmp_path):
    with pytest.raises(OSError, match="Errno") as raised:
        tmp_path.read_text(encoding="utf-8")
    assert in_words(raised.value) == "Is a directory"
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError) as broken:
        (tmp_path / "file").read_text(encoding="utf-8")
    assert in_words(broken.value) == "it is no text in UTF-8"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "no answer in time"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "wrong version number",
        ),
        (ConnectionResetError(), "no reason given"),
        (ValueError("\n one\x1b[2J\n two"), "one[2J"),
        (ValueError("x" * 999), "x" * 200),
    ],
)
def test_words_are_one_short_line(error, said):
    assert in_words(error) == said
