"""How a command ends where something breaks."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from cxm.run import cli


def test_a_database_that_goes_away_is_said_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def breaks(error: Exception) -> None:
        def app() -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)

    for error in (OperationalError("terminating connection\nfor some reason"), ExceptionGroup("tasks", [OperationalError("")])):
        breaks(error)
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        said = capsys.readouterr().err
        assert "PostgreSQL went away" in said and "Run it again" in said and "Traceback" not in said and "for some reason" not in said
    breaks(ExceptionGroup("tasks", [OperationalError("gone"), ValueError("a fault of ours")]))
    with pytest.raises(ExceptionGroup):
        cli.main()
