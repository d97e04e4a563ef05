// Where the focus is when a page or a part of it has come: on the first field that is wrong, else on what was said about it,
// never lost with what was replaced.
import { before as beforeMenu } from "./menus.js";

const visible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
const first = (query, root = document) => [...root.querySelectorAll(query)].find(visible);

function wrong(root) {
  const field = first("form:not([data-composer]) [aria-invalid=true]", root);
  if (field) { field.focus(); return true; }
  const said = first("main .banner-bad,main [data-said]", root);
  if (!said) return false;
  if (!said.hasAttribute("tabindex")) said.tabIndex = -1;
  said.focus();
  return true;
}

wrong(document);

const opened = () => first("[data-open-conversation]")?.dataset.openConversation ?? "";
const lost = () => !document.activeElement || document.activeElement === document.body || !visible(document.activeElement);

let had = false;
let conversation = opened();
let byKey = false;
let row = null;

// A row opened by a key: whoever pressed it goes on where it opens. A click by a pointer leaves the focus where it is.
document.addEventListener("click", (event) => {
  byKey = event.detail === 0 && Boolean(event.target.closest?.("[data-open],[data-inbox-fresh],.pane-back"));
  row = event.target.closest?.("[data-row]")?.id ?? row;
}, true);

document.addEventListener("htmx:before:swap", () => (had ||= !lost() || document.activeElement?.closest?.(".toast") != null));

function settle() {
  const now = opened();
  const moved = now !== conversation;
  conversation = now;
  const stray = lost();
  if (!(stray && (had || moved)) && !(moved && byKey)) { if (!stray) had = false; return; }
  had = byKey = false;
  const target = (!moved && beforeMenu()) || (now && first("#pane-main h1")) || (row && first(`#${CSS.escape(row)} [data-open]`)) || first("[data-rows] [data-open]") || first("#main h1") || document.getElementById("main");
  if (!target) return;
  if (target.matches("h1") && !target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

// After every part of an answer is in its place, and after the scripts that bring the focus back by name.
document.addEventListener("htmx:after:swap", () => queueMicrotask(settle));
