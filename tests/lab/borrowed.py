"""Servers of our own that may be killed and started again, made of the programs of those that run in the lab: Synapse, and a Bluesky home
server with its files in a folder. What runs there stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.kit.serving import free_port
from tests.kit.waiting import until


class Server:
    """One server: its command and the folder it runs in; ``probe``: a path that answers once it is up."""

    def __init__(self, command: list[str], folder: Path, port: int, probe: str, **environment: str) -> None:
        self.command, self.folder, self.port, self.probe = command, folder, port, probe
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.base = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        until(self._answers, f"{self.command[0]} answers; see {self.folder / 'output'}", 90)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "output").read_text("utf-8", "replace")[-2000:]
        try:
            with urlopen(self.base + self.probe, timeout=5):
                return True
        except HTTPError:
            return True
        except OSError:
            return False

    def kill(self) -> None:
        """As a machine that loses its power: all of its processes at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def close(self) -> None:
        """Kill it and forget its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _running(fits: Callable[[list[str], Path], bool]) -> tuple[list[str], Path] | None:
    """Command and folder of the first process that fits."""
    for place in _processes():
        try:
            command = (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
            folder = (place / "cwd").readlink()
        except OSError:
            continue
        if command and fits(command, folder):
            return command, folder
    return None


def _processes() -> Iterator[Path]:
    return (place for place in Path("/proc").iterdir() if place.name.isdigit()) if Path("/proc").is_dir() else iter(())


def synapse() -> Server | None:
    """A homeserver of our own, not yet started; None where none runs whose program could be borrowed."""
    found = _running(lambda command, _: "synapse.app.homeserver" in command)
    if found is None:
        return None
    (program, *_), place = found
    python = str(place / program)
    folder, port = Path(tempfile.mkdtemp(prefix="cxm-synapse-")), free_port()
    configuration = folder / "homeserver.yaml"
    begin = [python, "-m", "synapse.app.homeserver", "--config-path", str(configuration)]
    subprocess.run(
        [*begin, "--server-name", "localhost", "--generate-config", "--report-stats=no", "--data-directory", str(folder)],
        cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    many = "{per_second: 1000, burst_count: 1000}"
    told = configuration.read_text().replace("port: 8008", f"port: {port}").replace("['::1', '127.0.0.1']", "['127.0.0.1']")
    told += f"\nenable_registration: true\nenable_registration_without_verification: true\ntrusted_key_servers: []\nrc_message: {many}\nrc_registration: {many}\n"
    configuration.write_text(told)
    return Server(begin, folder, port, "/_matrix/client/versions")


_HOME = """
const { TestPds } = require(process.env.LAB_MODULES + '/@atproto/dev-env');
const net = require('net'), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) { return listen.call(this, port, '127.0.0.1', ...rest) };
TestPds.create(JSON.parse(process.env.LAB_SETTINGS)).catch(error => { console.error(error); process.exit(1) });
"""


def home_server(plc: str, view: str, view_did: str) -> Server | None:
    """A Bluesky home server (PDS) of our own beside the lab's network, not yet started; None where there is none to borrow from."""
    found = _running(lambda command, folder: "node" in Path(command[0]).name and (folder / "node_modules/@atproto/dev-env").is_dir())
    if found is None:
        return None
    (program, *_), place = found
    folder, port = Path(tempfile.mkdtemp(prefix="cxm-pds-")), free_port()
    settings = {
        "port": port, "hostname": "localhost", "didPlcUrl": plc, "bskyAppViewUrl": view, "bskyAppViewDid": view_did,
        "dataDirectory": str(folder / "data"), "blobstoreDiskLocation": str(folder / "blobs"), "plcRotationKeyK256PrivateKeyHex": os.urandom(32).hex(),
        "enableDidDocWithSession": True,
    }  # fmt: skip
    for name in ("data", "blobs"):
        (folder / name).mkdir()
    (folder / "home.js").write_text(_HOME)
    more = {"LAB_MODULES": str(place / "node_modules"), "LAB_SETTINGS": json.dumps(settings)}
    made = Server([program, "home.js"], folder, port, "/xrpc/_health", **more)
    made.base = f"http://localhost:{port}"
    return made
