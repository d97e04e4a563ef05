// The inbox as it lives: new rows wait behind a pill while somebody reads, the thread stays where it is read, menus stand where they belong.
import htmx from "htmx.org/dist/htmx.esm.js";
import { put } from "./composer.js";
import { leave } from "./drafts.js";
import { bring } from "./files.js";

const NEAR = 90;
const LIST_EVERY = 600;
const HELD = 300;

const inbox = () => document.querySelector("[data-inbox]");
const list = () => document.getElementById("inbox-list");
const scroller = () => document.getElementById("inbox-scroll");
const thread = () => document.querySelector("[data-open-conversation]");

// --- the list -----------------------------------------------------------------------------------------------------

// Nothing may move under a hand or an eye: at the top, with nothing ticked and no pointer or focus in it, the list may be drawn anew.
function calm() {
  const pane = scroller();
  return pane.scrollTop < 8 && !pane.querySelector("[data-select]:checked") && !pane.matches(":hover") && !pane.contains(document.activeElement)
    && !pane.querySelector("[data-row].at:not([aria-current])");
}

let listTimer = 0;
let listAgain = false;

function refreshList(whole = calm()) {
  const place = list();
  if (!place) return;
  const url = new URL(place.dataset.inboxList, location.href);
  if (!whole) {
    const ids = [...place.querySelectorAll("[data-row][id]")].slice(0, HELD).map((row) => row.id.slice(4));
    url.searchParams.set("hold", ids.join(","));
  }
  htmx.ajax("GET", url.pathname + url.search, { source: place, target: place, swap: "none", push: "false" });
}

function listChanged() {
  if (!list()) return;
  if (listTimer) { listAgain = true; return; }
  refreshList();
  listTimer = setTimeout(() => {
    listTimer = 0;
    if (listAgain) { listAgain = false; listChanged(); }
  }, LIST_EVERY);
}

document.body.addEventListener("live:inbox", listChanged);
document.body.addEventListener("live:resync", listChanged);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-inbox-fresh]")) {
    scroller().scrollTop = 0;
    refreshList(true);
  }
  const row = event.target.closest("[data-open]")?.closest("#inbox-list [data-row]");
  if (row) {
    row.classList.remove("unread");
    row.querySelector(".list-open .hidden-label")?.remove();
  }
});

// --- which pane a narrow screen shows -------------------------------------------------------------------------------

function show() {
  const panes = inbox();
  if (!panes) return;
  const open = thread()?.dataset.openConversation;
  const person = new URLSearchParams(location.search).has("person");
  panes.dataset.show = !open && !document.querySelector("#pane-main > .failure") ? "list" : open && person ? "side" : "main";
  for (const row of document.querySelectorAll("#inbox-list [data-row]")) {
    if (open && row.id === `row-${open}`) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-inbox-person]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const wanted = link.dataset.inboxPerson === "1" && inbox().dataset.show !== "side";
  const url = new URL(location.href);
  if (wanted) url.searchParams.set("person", "1");
  else url.searchParams.delete("person");
  history.replaceState(history.state, "", url);
  show();
});

// --- the thread ---------------------------------------------------------------------------------------------------

let atEnd = true;
let length = 0;

document.addEventListener("htmx:before:swap", () => {
  const pane = thread();
  atEnd = !pane || pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR;
  length = pane?.querySelectorAll(".message, .note").length ?? 0;
});

document.addEventListener("htmx:after:swap", () => {
  show();
  const pane = thread();
  if (!pane) return;
  const grown = pane.querySelectorAll(".message, .note").length > length;
  if (atEnd) pane.scrollTop = pane.scrollHeight;
  else if (grown && pane.hasAttribute("data-ready")) below(true);
  tick();
});

function below(on) {
  const pill = document.getElementById("thread-below");
  if (pill) pill.hidden = !on;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("#thread-below")) return;
  const pane = thread();
  pane.scrollTop = pane.scrollHeight;
  below(false);
});
document.addEventListener("scroll", (event) => {
  const pane = event.target;
  if (pane instanceof Element && pane.matches("[data-open-conversation]") && pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR) below(false);
}, true);

// --- an answer that can still be taken back ---------------------------------------------------------------------------

function tick() {
  for (const element of document.querySelectorAll("[data-leaves]")) {
    const left = Math.ceil((Date.parse(element.dataset.leaves) - Date.now()) / 1000);
    const said = left > 0 ? element.dataset.pattern.replace("{n}", left) : element.dataset.after;
    if (element.textContent !== said) element.textContent = said;
    const back = element.parentElement.querySelector("[data-take-back]");
    if (back) back.hidden = left <= 0;
  }
}
setInterval(tick, 500);
tick();

// Words that were taken back return to where they were written; if something else stands there, they wait as that conversation's draft.
function giveBack({ conversation, text, visibility, files = [] }) {
  const form = document.querySelector(`form[data-composer][data-draft="${CSS.escape(conversation)}"]`);
  if (form) {
    put(form, visibility, (there) => (there.trim() ? `${text}\n\n${there}` : text));
    bring(form, visibility, files);
  }
  else leave(conversation, visibility, text);
}

document.addEventListener("inbox:given-back", (event) => giveBack(event.detail ?? {}));
document.addEventListener("inbox:go", (event) => {
  if (event.detail?.url?.startsWith("/inbox") && document.getElementById("pane-main")) {
    htmx.ajax("GET", event.detail.url, { target: "#pane-main", swap: "innerHTML", push: event.detail.url });
  }
});
document.addEventListener("click", (event) => {
  const again = event.target.closest("[data-again]")?.dataset.again;
  const text = again && document.getElementById(again)?.querySelector(".message-body")?.textContent;
  const open = thread()?.dataset.openConversation;
  if (!text || !open) return;
  const visibility = document.getElementById(again).classList.contains("message-private") ? "private" : "public";
  giveBack({ conversation: open, text, visibility, files: (event.target.closest("[data-again]").dataset.againFiles ?? "").split(",") });
});

// --- done: the row fades at once and comes back if it was refused ---------------------------------------------------------

const goes = (event) => document.getElementById(event.detail?.ctx?.sourceElement?.dataset?.goes ?? "");
document.addEventListener("htmx:before:request", (event) => goes(event)?.classList.add("going"));
document.addEventListener("htmx:after:request", (event) => { if (!event.detail?.ctx?.response?.raw?.ok) goes(event)?.classList.remove("going"); });
document.addEventListener("htmx:error", (event) => goes(event)?.classList.remove("going"));
