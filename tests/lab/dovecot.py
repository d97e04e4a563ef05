"""A real mailbox server: Dovecot on ports of its own, its files in a folder of its own. Any user signs in with the password ``pw``."""

from __future__ import annotations

import contextlib
import getpass
import grp
import imaplib
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast
from uuid import uuid4

from tests.kit.serving import free_port
from tests.kit.waiting import until

PASSWORD = "pw"
_CONFIGURATION = """
base_dir = {root}/run
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = {root}/log
mail_location = maildir:{root}/mail/%n
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
state_dir = {root}/state
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/mail/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


def why_not() -> str | None:
    """Why it cannot run here; None where it can."""
    if program() is None:
        return "Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)"
    if not any(Path(folder, "lmtp").exists() for folder in ("/usr/lib/dovecot", "/usr/libexec/dovecot")):
        return "Dovecot is installed without its LMTP server (Debian: dovecot-lmtpd)"
    return None


def program() -> str | None:
    """Where it is installed."""
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Dovecot:
    """Started, stopped, started again; mail delivered to it by LMTP and read by IMAP."""

    def __init__(self) -> None:
        self.imap, self.lmtp = free_port(), free_port()
        # Its workers run as nobody where we are root, so every folder above must let them in.
        self._root = Path(tempfile.mkdtemp(prefix="cxm-dovecot-"))
        self._root.chmod(0o755)
        user, group = self._whom()
        for name in ("run", "state", "mail"):
            folder = self._root / name
            folder.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(self._root / "mail", user, group)
        self._process: subprocess.Popen[bytes] | None = None
        self.change_password(PASSWORD)

    def change_password(self, password: str) -> None:
        """From its next start on everybody signs in with another password."""
        user, group = self._whom()
        self.password = password
        (self._root / "conf").write_text(
            _CONFIGURATION.format(root=self._root, user=user, group=group, password=password, imap=self.imap, lmtp=self.lmtp)
        )

    @staticmethod
    def _whom() -> tuple[str, str]:
        if os.geteuid() != 0:
            return getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        return "nobody", grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name

    def start(self) -> None:
        """Start it (where it is not running) and wait until it lets somebody in."""
        if self._process is not None:
            return
        with (self._root / "output").open("ab") as output:
            command = [str(program()), "-F", "-c", str(self._root / "conf")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        until(self._answers, f"Dovecot answers: {self.log}", seconds=15)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self.mails("nobody.in.particular")
            return True
        return False

    def stop(self) -> None:
        """The server is gone; what is in its mailboxes stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def kill(self) -> None:
        """As a machine that loses its power: the server and the processes that serve its lines, all at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(15)
            self._process = None

    def close(self) -> None:
        """Stop it and forget all."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    @property
    def log(self) -> str:
        """What it logged last."""
        return "".join(
            (self._root / name).read_text(errors="replace")[-1500:] for name in ("output", "log") if (self._root / name).exists()
        )

    def deliver(self, recipient: str, message: bytes, sender: str = "") -> None:
        """Put a mail into a mailbox, as its own mail server would; the server notes ``sender`` as Return-Path."""
        with smtplib.LMTP("127.0.0.1", self.lmtp, local_hostname="relay.example") as line:
            refused = line.sendmail(sender, [recipient], message)
        assert not refused, refused

    def drop(self, recipient: str, message: bytes) -> None:
        """Put a mail into a mailbox's files while the server is away."""
        folder = self._root / "mail" / recipient.partition("@")[0] / "new"
        path = folder / f"{time.time_ns() // 1_000_000_000}.{uuid4().hex}.example"
        path.write_bytes(message)
        shutil.chown(path, *self._whom())

    def mails(self, user: str) -> list[EmailMessage]:
        """Everything in a user's inbox, oldest first."""
        line = imaplib.IMAP4("127.0.0.1", self.imap, timeout=10)
        try:
            line.login(user, self.password)
            line.select("INBOX", readonly=True)
            numbers = line.search(None, "ALL")[1][0].split()
            found = [line.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers]
        finally:
            line.logout()
        return [cast("EmailMessage", message_from_bytes(cast("tuple[bytes, bytes]", one)[1], policy=policy.default)) for one in found]

    def forget_uids(self, user: str) -> None:
        """A new UIDVALIDITY, as after a mailbox was restored from a backup."""
        for path in (self._root / "mail" / user.partition("@")[0]).glob("dovecot*"):
            path.unlink()
