import "./boot.js";
import "./live.js";
import "./keys.js";
import "./palette.js";
import "./theme.js";
import "./time.js";
import "./composer.js";
import "./panes.js";
import "./toasts.js";
import "./dialogs.js";
import "./select.js";
import "./tabs.js";
import "./menus.js";
import "./inbox.js";
import "./presence.js";
import "./names.js";
import "./media.js";
import "./arrive.js";
import Alpine from "@alpinejs/csp";

// Slices may add components before this runs with document.addEventListener("alpine:init", ...).
window.Alpine = Alpine;
Alpine.start();
