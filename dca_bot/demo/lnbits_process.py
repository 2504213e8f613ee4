"""Runs a real LNbits on loopback, for the tests and the demo.

LNbits is installed in an environment of its own. The `lnbits` command would fork; here the
application is started directly, so a single process is to be stopped, and LNbits ends with the
starter. Everything is synchronous, for use from any event loop or none.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from dca_bot.demo.price_stub import PriceStub
from dca_bot.errors import ConfigError

BIN_VARIABLE = "DCA_BOT_LNBITS_BIN"
_BIN_DEFAULT = Path(".lnbits/bin/lnbits")
_HOST = "127.0.0.1"
_START_LIMIT_S = 90
_STOP_LIMIT_S = 10
_REQUEST_LIMIT_S = 60
_POLL_S = 0.1
_LOG_TAIL_CHARS = 2000
# PR_SET_PDEATHSIG (1) asks Linux for a SIGKILL (9) as soon as the starter is gone.
_STARTER = """
import sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
import uvicorn
uvicorn.run("lnbits.__main__:app", host=sys.argv[1], port=int(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class WalletKeys:
    """A wallet in LNbits: id, keys and user."""

    id: str
    admin_key: str = field(repr=False)
    invoice_key: str = field(repr=False)
    user: str


def find_lnbits() -> Path:
    """Return the path of the `lnbits` command: DCA_BOT_LNBITS_BIN, else `.lnbits/bin/lnbits`.

    Raise ConfigError if the file doesn't exist.
    """
    path = Path(os.environ.get(BIN_VARIABLE, _BIN_DEFAULT)).absolute()
    if not path.is_file():
        raise ConfigError(
            f"There is no LNbits at {path}. Run `make setup` to install it, "
            f"or set {BIN_VARIABLE} to the path of an installed `lnbits` command."
        )
    return path


def free_port() -> int:
    """Return a loopback port that nobody listens on at present."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        return int(listener.getsockname()[1])


class LnbitsProcess:
    """An LNbits: process, data folder and the super user's token.

    The end of a `with` block stops LNbits; the data stay.
    """

    def __init__(
        self, lnbits_bin: Path, data_dir: Path, *, port: int, settings: Mapping[str, str]
    ) -> None:
        self.url = f"http://{_HOST}:{port}"
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "lnbits.log"
        self._python = lnbits_bin.parent / "python"
        self._port = port
        self._settings = dict(settings)
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=self.url, timeout=_REQUEST_LIMIT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop LNbits for good."""
        self.stop()
        self._http.close()

    def start(self) -> None:
        """Start LNbits and wait for the first answer; raise ConfigError with the log's end if none comes."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = self._spawn(log)
        self._wait_until_up()

    def stop(self) -> None:
        """Ask LNbits to end, and kill LNbits after a time limit; do nothing if LNbits isn't running."""
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_LIMIT_S)
        self.kill()

    def kill(self) -> None:
        """End LNbits at once, as a crash would (SIGKILL to the whole process group)."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stop LNbits in mid-air: connections are accepted, but no request is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen LNbits go on."""
        self._signal(signal.SIGCONT)

    def first_install(self) -> None:
        """Make the super user (PUT /api/v1/auth/first_install), once per data folder; raise ConfigError."""
        password = secrets.token_urlsafe(16)
        answer = self._ask(
            "PUT",
            "/api/v1/auth/first_install",
            {"username": "superuser", "password": password, "password_repeat": password},
        )
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def create_user_wallet(self, name: str) -> WalletKeys:
        """Make a new user with a wallet of the same name; raise ConfigError if LNbits refuses.

        The user has no password, as LNbits takes a quarter of a second to hash a password.
        """
        row = self._ask("POST", "/api/v1/account", {"name": name})
        return WalletKeys(row["id"], row["adminkey"], row["inkey"], row["user"])

    def credit(self, wallet_id: str, amount_sat: int) -> None:
        """Give a wallet sats out of nothing, or take sats (negative); raise ConfigError if LNbits refuses."""
        self._ask("PUT", "/users/api/v1/balance", {"id": wallet_id, "amount": amount_sat})

    def lightning_address(self, wallet: WalletKeys, name: str) -> str:
        """Give a wallet the Lightning address `name@host:port` and return the address; raise ConfigError."""
        path = f"/users/api/v1/user/{wallet.user}/wallet/{wallet.id}/lightning-address"
        self._ask("PUT", path, {"lightning_address": name})
        return f"{name}@{_HOST}:{self._port}"

    def delete_wallet(self, wallet: WalletKeys) -> None:
        """Mark a wallet as deleted: the keys stop working; raise ConfigError if LNbits refuses."""
        self._ask("DELETE", f"/users/api/v1/user/{wallet.user}/wallet/{wallet.id}")

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 # the operator's own LNbits
            [self._python, "-c", _STARTER, _HOST, str(self._port)],
            # LNbits serves lnbits/static relative to the working directory.
            cwd=_site_packages(self._python),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._http.request(method, path, json=body)
        if answer.is_error:
            raise ConfigError(f"LNbits refused {method} {path}: {answer.text[:200]}")
        return answer.json()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                # Before the first install LNbits redirects every request: a redirect counts as an answer.
                if not self._http.get("/api/v1/health", timeout=2).is_error:
                    return
            time.sleep(_POLL_S)
        tail = self.log.read_text(errors="replace")[-_LOG_TAIL_CHARS:]
        self.kill()
        raise ConfigError(f"LNbits did not start; the end of {self.log}:\n{tail}")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "_HOST": _HOST,
            "PORT": str(self._port),
            "LNBITS_DATA_FOLDER": str(self.data_dir),
            "LNBITS_EXTENSIONS_PATH": str(self.data_dir),
            "AUTH_SECRET_KEY": self._secret,
            "LNBITS_ADMIN_UI": "true",
            "AUTH_ALLOWED_METHODS": "username-password,user-id-only",
            "LNBITS_RATE_LIMIT_NO": "1000000",
            "LNBITS_MAX_INCOMING_PAYMENT_AMOUNT_SATS": "1000000000",
            **self._settings,
        }


def fake_funding() -> dict[str, str]:
    """Return the settings of an LNbits without a Lightning node: only internal payments."""
    return {"LNBITS_BACKEND_WALLET_CLASS": "FakeWallet"}


def funded_by(url: str, wallet: WalletKeys) -> dict[str, str]:
    """Return the settings of an LNbits that uses a wallet of another LNbits as the node."""
    return {
        "LNBITS_BACKEND_WALLET_CLASS": "LNbitsWallet",
        "LNBITS_ENDPOINT": url,
        "LNBITS_KEY": wallet.admin_key,
    }


def start_lnbits(
    lnbits_bin: Path,
    data_dir: Path,
    *,
    price: PriceStub,
    port: int | None = None,
    funding: Mapping[str, str] | None = None,
) -> LnbitsProcess:
    """Start an LNbits on a new data folder, with a super user; the caller closes the process.

    LNbits keeps settings in the data folder: `price` has to live as long as the folder.
    """
    settings = {**_price_settings(price), **(funding or fake_funding())}
    lnbits = LnbitsProcess(lnbits_bin, data_dir, port=port or free_port(), settings=settings)
    try:
        lnbits.start()
        lnbits.first_install()
    except BaseException:
        lnbits.close()
        raise
    return lnbits


def _price_settings(price: PriceStub) -> dict[str, str]:
    """Return the settings for the only price service; LNbits before 1.5 has a list of providers instead."""
    provider = {"name": "stub", "api_url": f"{price.url}/rate/{{TO}}", "path": "$.rates.median"}
    return {
        "LNBITS_PRICE_AGGREGATOR_URL": price.url,
        "LNBITS_EXCHANGE_RATE_PROVIDERS": json.dumps([provider]),
    }


def _site_packages(python: Path) -> Path:
    for static in python.parent.parent.glob("lib/python3.*/site-packages/lnbits/static"):
        return static.parent.parent
    raise ConfigError(f"LNbits is not installed beside {python}. Run `make setup`.")
