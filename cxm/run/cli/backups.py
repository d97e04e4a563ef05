"""``cxm backup`` and ``cxm restore``."""

from __future__ import annotations

import os
import secrets as random
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cxm.run.cli import kit


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, or one that is not there yet.")],
    data: kit.Data = None,
    as_json: kit.AsJson = False,
) -> None:
    """Write everything that cannot be made anew to a folder, also while “cxm serve” runs; never the secret key.

    Example: cxm backup /mnt/backups/2026-11-22
    """
    kit.choose(data)
    from cxm.platform import observability
    from cxm.platform.postgres import engine
    from cxm.run import backup as backups

    observability.configure("ERROR", "auto")
    backups.refuse_nothing()
    with engine():
        import django

        django.setup()
        manifest = backups.write(folder, _progress)
    counts, files = manifest["counts"], manifest["blobs"]
    kit.show(
        {"folder": str(folder.resolve()), **manifest},
        as_json,
        [f"backup: {folder.resolve()}", *(f"{name}: {count}" for name, count in counts.items()), f"files: {files['files']}"],
    )
    print(
        "The secret key is not in it; keep a copy of the key elsewhere. It holds what people wrote: keep it where only you can read.",
        file=sys.stderr,
    )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that “cxm backup” wrote.")],
    erasures: Annotated[
        list[Path] | None,
        typer.Option(
            "--erasures",
            metavar="FILE",
            help="A newer erasures.jsonl: of a later backup, or of the lost data directory. May be repeated.",
            show_default=False,
        ),
    ] = None,
    data: kit.Data = None,
    as_json: kit.AsJson = False,
) -> None:
    """Bring a backup into an empty installation: checked first, all of it or nothing, then the mention store is made anew.

    Replies that waited when the backup was made are held by a stop, since they may have been sent after it. People who were erased
    after it are erased again, by the erasures.jsonl in the data directory and those named.

    Example: cxm restore /mnt/backups/2026-11-22 --data /var/lib/opencxm --erasures /mnt/backups/2026-11-29/erasures.jsonl
    """
    if kit.serving(data):
        print("cxm: a cxm serve is running on this data directory.\n     Stop it, and restore into an empty one.", file=sys.stderr)
        raise typer.Exit(1)
    from cxm.run import backup as backups

    _progress("checking")
    manifest = backups.read(folder)
    backups.refuse_full(folder)
    key = backups.key_state(manifest)
    if key == "missing":  # restoring needs none: one for the length of this command, written nowhere
        _for_now()
    missing = [file for file in erasures or [] if not file.is_file()]
    if missing:
        print(f"cxm: {missing[0]} is not there.\n     Nothing was changed.", file=sys.stderr)
        raise typer.Exit(1)
    stopped, count, again = _restored(folder, manifest, erasures or [])
    _say(manifest, key, stopped, count, as_json, again)


def _for_now() -> None:
    from cxm.platform.config import settings

    os.environ["CXM_SECRET_KEY"] = random.token_hex(32)
    os.environ.pop("CXM_SECRET_KEY_FILE", None)
    settings.cache_clear()


def _restored(folder: Path, manifest: dict[str, Any], ledgers: list[Path]) -> tuple[tuple[str, ...], int, Any]:
    """Load the backup; the names of organizations whose waiting replies are held now, how many mentions the store has, what was erased again."""
    import django

    from cxm.platform import observability
    from cxm.platform.postgres import engine
    from cxm.run import backup as backups

    observability.configure("ERROR", "auto")
    django.setup()
    backups.refuse_newer(manifest)
    from cxm.listen.rebuild import rebuild
    from cxm.platform.config import settings

    settings().data.mkdir(parents=True, exist_ok=True)
    with engine() as server:
        backups.refuse_full_database()
        try:
            backups.load(folder, manifest, server, _progress)
            kit.migrate()
            again = backups.erase_again(folder, ledgers, _progress)
            stopped = backups.hold_replies(manifest["made_at"])
            _progress("mention store")
            return stopped, rebuild(), again
        except BaseException:
            print("cxm: the restore did not come to its end; empty the data directory before you try again.", file=sys.stderr)
            raise
        finally:
            kit.close_connections()


def _say(manifest: dict[str, Any], key: str, stopped: tuple[str, ...], count: int, as_json: bool, again: Any) -> None:
    from cxm.platform.config import settings

    counts = manifest["counts"]
    kit.show(
        {
            "made_at": manifest["made_at"],
            "counts": counts,
            "files": manifest["blobs"]["files"],
            "reindexed": count,
            "key": key,
            "stopped": list(stopped),
            "erased_again": {"people": again.people, "mentions": again.mentions},
        },
        as_json,
        [
            f"restored: the backup of {manifest['made_at']}",
            *(f"{name}: {number}" for name, number in counts.items()),
            f"files: {manifest['blobs']['files']}",
            f"reindexed: {count}",
            f"erased again: {again.people} people, {again.mentions} deleted mentions",
        ],
    )
    for name in stopped:
        print(
            f"A stop is on for {name}: replies that waited may have been sent after the backup. Look at each, then lift it (cxm stop off).",
            file=sys.stderr,
        )
    wanted = ", ".join(manifest.get("key_fingerprints") or []) or "unknown"
    path = settings().data / "secret.key"
    if key == "missing":
        print(
            f"There is no secret key here. Put the one of the installation that was backed up (fingerprint {wanted}) into {path}, or name it with CXM_SECRET_KEY_FILE.\n"
            "If it is lost: cxm setup makes a new one, and the credentials of every account have to be entered again.",
            file=sys.stderr,
        )
    elif key == "other":
        print(
            f"The secret key here is another than the backup's (fingerprint {wanted}): credentials of accounts cannot be read.\n"
            "Put the former key on the line below the new one in the key file, then run cxm secrets rotate; or enter the credentials again.",
            file=sys.stderr,
        )


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"{text} …", file=sys.stderr)
