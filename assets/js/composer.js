// What is being written: grows, counts as the platform counts, survives a reload, sends with Mod+Enter.
import { word } from "./words.js";

const PREFIX = "cxm.draft.";
const segments = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

const counters = {
  graphemes: (text) => (segments ? [...segments.segment(text)].length : [...text].length),
  characters: (text) => [...text].length,
  units: (text) => text.length,
  bytes: (text) => new TextEncoder().encode(text).length,
};

const mode = (form) => form.querySelector("input[name=visibility]:checked");
const draftKey = (form) => PREFIX + form.dataset.draft;

function grow(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.rows = Math.min(Math.max(area.value.split("\n").length, 3), 14);
}

function count(form) {
  const area = form.querySelector("textarea");
  const out = form.querySelector("[data-count]");
  if (!out) return;
  const chosen = mode(form);
  const limit = Number(chosen?.dataset.limit || form.dataset.limit || 0);
  const used = (counters[chosen?.dataset.counts || form.dataset.counts] ?? counters.graphemes)(area.value);
  const over = limit > 0 && used > limit;
  out.textContent = limit ? word("counted", { used, limit }) : used ? String(used) : "";
  out.classList.toggle("warn", limit > 0 && !over && used > limit * 0.9);
  out.classList.toggle("bad", over);
  area.setAttribute("aria-invalid", String(over));
  for (const button of form.querySelectorAll("[data-send]")) button.disabled = over || !area.value.trim();
  const said = form.querySelector("[data-over]");
  if (said) said.textContent = over ? word("over", { n: used - limit }) : "";
}

function save(form) {
  if (!form.dataset.draft) return;
  const text = form.querySelector("textarea").value;
  if (text.trim()) localStorage.setItem(draftKey(form), JSON.stringify({ text, mode: mode(form)?.value, at: Date.now() }));
  else localStorage.removeItem(draftKey(form));
}

function restore(form) {
  if (!form.dataset.draft) return;
  const area = form.querySelector("textarea");
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(draftKey(form)) ?? "null"); } catch { /* an unreadable draft is no draft */ }
  if (!kept?.text || area.value) return;
  area.value = kept.text;
  const radio = [...form.querySelectorAll("input[name=visibility]")].find((input) => input.value === kept.mode);
  if (radio) radio.checked = true;
}

function start(root = document) {
  for (const form of root.querySelectorAll("form[data-composer]:not([data-ready])")) {
    form.dataset.ready = "";
    restore(form);
    grow(form.querySelector("textarea"));
    count(form);
  }
}

const formOf = (event) => event.target.closest?.("form[data-composer]");

document.addEventListener("input", (event) => {
  const form = formOf(event);
  if (!form) return;
  if (event.target.matches("textarea")) grow(event.target);
  count(form);
  save(form);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey) || event.isComposing) return;
  const form = formOf(event) ?? event.target.closest?.("form[data-mod-enter]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("[data-send]");
  if (!button?.disabled) form.requestSubmit(button ?? undefined);
});
// A draft ends only when the server has taken it; what was typed while it travelled stays.
const travelling = new WeakMap();
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.matches?.("form[data-composer]")) travelling.set(event.target, event.target.querySelector("textarea").value);
});
document.addEventListener("htmx:after:request", (event) => {
  const form = event.target.closest?.("form[data-composer]");
  const sent = event.target.matches?.("form,[data-send]") && event.detail?.ctx?.response?.raw?.ok;
  if (!form || !sent) return;
  const area = form.querySelector("textarea");
  const gone = travelling.get(form) ?? area.value;
  if (area.value.startsWith(gone)) area.value = area.value.slice(gone.length);
  save(form);
  count(form);
});
// Buttons and keys that lead into the composer: data-compose="public" chooses the mode and puts the cursor there.
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-compose]")?.dataset.compose;
  if (!chosen) return;
  const form = document.querySelector("form[data-composer]");
  const radio = form?.querySelector(`input[name=visibility][value="${CSS.escape(chosen)}"]`) ?? form?.querySelector(`input[data-tone="${CSS.escape(chosen)}"]`);
  if (radio) { radio.checked = true; count(form); }
  form?.querySelector("textarea").focus();
});
document.addEventListener("htmx:after:swap", () => start());
start();
