// What is being written: grows, counts as the platform counts, is kept as a draft, sends with Mod+Enter.
import { begin, modeOf, said, save, switched } from "./drafts.js";
import { attached, ids, sent as takeOff, show, uploading } from "./files.js";
import { word } from "./words.js";

const segments = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

const counters = {
  graphemes: (text) => (segments ? [...segments.segment(text)].length : [...text].length),
  characters: (text) => [...text].length,
  units: (text) => text.length,
  bytes: (text) => new TextEncoder().encode(text).length,
};

const mode = (form) => form.querySelector("input[name=visibility]:checked");

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
  for (const button of form.querySelectorAll("[data-send]")) button.disabled = over || uploading(form) || (!area.value.trim() && !attached(form).length);
  const told = form.querySelector("[data-over]");
  if (told) told.textContent = over ? word("over", { n: used - limit }) : "";
}

// Whatever changed what stands in the composer.
export function renew(form) {
  show(form);
  grow(form.querySelector("textarea"));
  count(form);
}

function start(root = document) {
  for (const form of root.querySelectorAll("form[data-composer]:not([data-ready])")) {
    form.dataset.ready = "";
    begin(form);
    renew(form);
  }
}

// Puts words into the composer, said this way, and the cursor behind them.
export function put(form, visibility, make) {
  const radio = [...form.querySelectorAll("input[name=visibility]")].find((one) => one.value === visibility);
  if (radio) radio.checked = true;
  switched(form);
  const area = form.querySelector("textarea");
  area.value = make(area.value);
  area.dispatchEvent(new Event("input", { bubbles: true }));
  area.focus();
}

document.addEventListener("cxm:files", (event) => renew(event.target));

const formOf = (event) => event.target.closest?.("form[data-composer]");

document.addEventListener("input", (event) => {
  const form = formOf(event);
  if (!form || event.target.matches("[type=file]")) return;
  if (event.target.name === "visibility") switched(form);
  renew(form);
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
  const form = event.target.closest?.("form[data-composer]");
  if (form) travelling.set(form, { text: form.querySelector("textarea").value, mode: modeOf(form), files: ids(form) });
});
document.addEventListener("htmx:after:request", (event) => {
  const form = event.target.closest?.("form[data-composer]");
  const sent = event.target.matches?.("form,[data-send]") && event.detail?.ctx?.response?.raw?.ok;
  if (!form || !sent) return;
  const gone = travelling.get(form) ?? { text: form.querySelector("textarea").value, mode: modeOf(form), files: ids(form) };
  takeOff(form, gone.files);
  said(form, gone.mode, gone.text);
  save(form);
  renew(form);
});
// Buttons and keys that lead into the composer: data-compose="public" chooses the mode and puts the cursor there.
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-compose]")?.dataset.compose;
  if (!chosen) return;
  const form = document.querySelector("form[data-composer]");
  const radio = form?.querySelector(`input[name=visibility][value="${CSS.escape(chosen)}"]`) ?? form?.querySelector(`input[data-tone="${CSS.escape(chosen)}"]`);
  if (radio) { radio.checked = true; switched(form); renew(form); }
  form?.querySelector("textarea").focus();
});
document.addEventListener("htmx:after:swap", () => start());
start();
