"""The Chromium of the tests, without what nobody who tests a page needs: each window of its own would load panels that nobody opens."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

#: The last list is the one that counts. Playwright's own, as far as it matters here,
_PLAYWRIGHTS = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
#: and ours: the address bar's suggestions and other parts of a window that are pages themselves (two thirds of what a context costs),
#: and a renderer in stock that is never used.
_OURS = ("PreloadTopChromeWebUI", "SpareRendererForSitePerProcess", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxPopup")
#: Root in a container has no sandbox; there is no graphics card, and playing one costs more than drawing.
_FLAGS = ("--no-sandbox", "--disable-gpu", f"--disable-features={','.join((*_PLAYWRIGHTS, *_OURS))}")


def found() -> Path | None:
    """The machine's Chromium, None where there is only Playwright's."""
    return next((Path(path) for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def launch(playwright: Any) -> Any:
    """A browser for tests. Raises playwright's Error where there is none."""
    return playwright.chromium.launch(executable_path=found(), args=list(_FLAGS))
