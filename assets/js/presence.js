// Signs of life: which conversation is open here, and whether somebody writes in it. Nothing is told of a page nobody sees.
const EVERY = 15000;
const WRITES = 6000;

let open = "";
let typed = 0;
let toldTyping = false;
let quiet = 0;

const place = () => document.querySelector("[data-here]");
const token = () => {
  try { return JSON.parse(document.body.getAttribute("hx-headers:inherited") ?? "{}")["X-CSRFToken"] ?? ""; } catch { return ""; }
};

function tell(address, values) {
  const body = new URLSearchParams(values);
  fetch(address, { method: "POST", body, keepalive: true, credentials: "same-origin", headers: { "X-CSRFToken": token() } }).catch(() => { /* the next one may arrive */ });
}

function here() {
  if (!open || document.hidden) return;
  toldTyping = Date.now() - typed < WRITES;
  tell(open, toldTyping ? { typing: "1" } : {});
}

function leave() {
  if (open) tell(open, { left: "1" });
  open = "";
  typed = 0;
  toldTyping = false;
}

function look() {
  const now = place()?.dataset.here ?? "";
  if (now === open) return;
  leave();
  open = document.hidden ? "" : now;
  here();
}

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("form[data-composer] textarea")) return;
  typed = event.target.value.trim() ? Date.now() : 0;
  if (typed && !toldTyping) here();
  clearTimeout(quiet);
  // Said once more when the keys rest, so that nobody is shown writing who is not.
  quiet = setTimeout(here, WRITES + 100);
});
document.addEventListener("htmx:after:swap", look);
document.addEventListener("visibilitychange", () => (document.hidden ? leave() : look()));
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", look);
setInterval(here, EVERY);
look();
