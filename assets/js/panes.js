// Focus, scrolling and the row one stood on survive every swap; new items never push what is being read.
let before = null;

const keyOf = (element) => {
  if (!element || element === document.body) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const row = element.closest("[data-row]");
  if (row?.id && element.matches("[data-open]")) return `#${CSS.escape(row.id)} [data-open]`;
  if (element.name) return `[name="${CSS.escape(element.name)}"]`;
  if (element.dataset.key) return `[data-key="${CSS.escape(element.dataset.key)}"]`;
  return element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
};

document.addEventListener("htmx:before:swap", () => {
  const active = document.activeElement;
  const text = active?.matches?.("input,textarea") ? active : null;
  let selection = null;
  try { selection = text && text.selectionStart != null ? [text.selectionStart, text.selectionEnd] : null; } catch { /* this kind of input has none */ }
  before = {
    key: keyOf(active),
    selection,
    at: document.querySelector("[data-row].at")?.id,
    checked: [...document.querySelectorAll("[data-row][id] [data-select]:checked")].map((box) => box.closest("[data-row]").id),
    scroll: [...document.querySelectorAll("[data-keep-scroll]")].map((pane) => [pane.dataset.keepScroll || pane.id, pane.scrollTop]),
  };
});

document.addEventListener("htmx:after:swap", () => {
  if (!before) return;
  const kept = before;
  before = null;
  for (const [name, top] of kept.scroll) {
    const pane = document.querySelector(`[data-keep-scroll="${CSS.escape(name)}"]`) ?? document.getElementById(name);
    if (pane && pane.scrollTop !== top) pane.scrollTop = top;
  }
  if (kept.at) document.getElementById(kept.at)?.classList.add("at");
  for (const id of kept.checked) {
    const box = document.getElementById(id)?.querySelector("[data-select]");
    if (box) box.checked = true;
  }
  document.dispatchEvent(new CustomEvent("cxm:selection"));
  const lost = !document.activeElement || document.activeElement === document.body;
  const again = lost && kept.key ? document.querySelector(kept.key) : null;
  again?.focus({ preventScroll: true });
  if (again && kept.selection && again.setSelectionRange) again.setSelectionRange(...kept.selection);
});

// A pane that is new starts where its newest message is.
function toEnd() {
  for (const pane of document.querySelectorAll("[data-start-at-end]:not([data-ready])")) {
    pane.dataset.ready = "";
    pane.scrollTop = pane.scrollHeight;
  }
}
document.addEventListener("htmx:after:swap", toEnd);
toEnd();

// Opening a row marks it at once; the server's answer confirms it or puts it back.
document.addEventListener("click", (event) => {
  const row = event.target.closest?.("[data-open]")?.closest("[data-row]");
  if (!row) return;
  for (const other of row.closest("[data-rows]")?.querySelectorAll("[data-row]") ?? []) {
    other.classList.toggle("at", other === row);
    if (other === row) other.setAttribute("aria-current", "true");
    else other.removeAttribute("aria-current");
  }
});
