// Names of what changed arrive on /live; each becomes a DOM event "live:<name>" on body, and fragments fetch themselves.
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// A short cut (a deploy, a sleeping laptop) is nobody's business; only a longer one is shown.
const SHOW_AFTER = 4000;

const body = document.body;
const address = body.dataset.live;
let source = null;
let wait = FIRST_WAIT;
let lost = false;
let barTimer = 0;
let retryTimer = 0;

function tell(name, detail = {}) {
  body.dispatchEvent(new CustomEvent(`live:${name}`, { bubbles: true, detail }));
}

function showBar(on) {
  const bar = document.getElementById("connection");
  if (bar) bar.hidden = !on;
}

function opened() {
  clearTimeout(barTimer);
  barTimer = 0;
  showBar(false);
  wait = FIRST_WAIT;
  if (lost) tell("resync");
  lost = false;
}

function failed() {
  source?.close();
  source = null;
  lost = true;
  barTimer ||= setTimeout(() => showBar(true), SHOW_AFTER);
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, wait + Math.random() * wait * 0.3);
  wait = Math.min(wait * 2, LONGEST_WAIT);
}

function heard(event) {
  for (const line of event.data.split("\n")) {
    const name = line.trim();
    if (name) tell(name);
  }
}

function connect() {
  if (!address || source) return;
  source = new EventSource(address);
  source.onopen = opened;
  source.onmessage = heard;
  source.onerror = failed;
}

if (address) {
  connect();
  // The browser says at once that it has no network: then nobody waits to be told.
  window.addEventListener("offline", () => { failed(); clearTimeout(barTimer); showBar(true); });
  window.addEventListener("online", () => { if (!source) { wait = FIRST_WAIT; clearTimeout(retryTimer); connect(); } });
  window.addEventListener("pagehide", () => { source?.close(); source = null; clearTimeout(retryTimer); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { lost = true; connect(); } });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-reconnect]")) { wait = FIRST_WAIT; clearTimeout(retryTimer); connect(); }
  });
}
