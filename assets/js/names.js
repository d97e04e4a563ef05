// “@” in a note offers the members who may see the conversation: arrows choose, Enter or Tab takes, Escape closes; the focus stays in the note.
import { modeOf } from "./drafts.js";
import { word } from "./words.js";

const MOST = 8;
const LONGEST = 40;
const GAP = 6;
const places = new CSSStyleSheet();
document.adoptedStyleSheets.push(places);

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

let open = null; // { area, list, from: where the “@” stands }
let asked = 0;
let shut = -1; // where the “@” stands that was closed by Escape

const shown = () => (open ? [...open.list.children].filter((one) => !one.hidden) : []);

// Where the “@” of the word before the caret stands, and what was typed behind it.
function typed(area) {
  if (area.selectionStart !== area.selectionEnd) return null;
  const before = area.value.slice(0, area.selectionStart);
  const from = before.lastIndexOf("@");
  const query = before.slice(from + 1);
  if (from < 0 || query.length > LONGEST || /[\n@]|^\s|\s\s/.test(query) || /[\p{L}\p{N}]$/u.test(before.slice(0, from))) return null;
  return { from, query: fold(query) };
}

function pick(item) {
  const all = shown();
  for (const one of all) one.setAttribute("aria-selected", String(one === item));
  open.area.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

const picked = () => shown().find((one) => one.getAttribute("aria-selected") === "true");

function close() {
  asked += 1;
  if (!open) return;
  const { area, list } = open;
  open = null;
  area.removeAttribute("aria-activedescendant");
  area.removeAttribute("aria-controls");
  if (list.isConnected && list.matches(":popover-open")) list.hidePopover();
  say("");
}

function say(text) {
  const out = document.getElementById("names-said");
  if (out) out.textContent = text;
}

function place(area, list) {
  const at = area.getBoundingClientRect();
  const left = Math.min(Math.max(document.dir === "rtl" ? at.right - list.offsetWidth - GAP : at.left + GAP, GAP), innerWidth - list.offsetWidth - GAP);
  const top = Math.max(GAP, at.top - list.offsetHeight - GAP);
  places.replaceSync(`#${CSS.escape(list.id)} { left: ${left}px; top: ${top}px; }`);
}

const filling = new WeakMap();

async function fill(list) {
  const answer = await fetch(list.dataset.names, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) return false;
  list.innerHTML = await answer.text();
  [...list.children].forEach((one, at) => { one.id = `${list.id}-${at}`; });
  list.dataset.filled = "";
  return true;
}

// Asked once, however fast somebody types: a second answer would put new options in the place of the one that is picked.
function filled(list) {
  if (list.dataset.filled !== undefined) return true;
  if (!filling.has(list)) filling.set(list, fill(list).finally(() => filling.delete(list)));
  return filling.get(list);
}

const finds = (item) => {
  const [name, called] = [fold(item.firstElementChild.textContent.trim()), fold(item.dataset.called)];
  return [name, called, ...name.split(/\s+/).slice(1)];
};

async function offer(area) {
  const form = area.form;
  const list = form?.parentElement?.querySelector("[data-names]");
  const found = list && modeOf(form) === "note" ? typed(area) : null;
  if (!found || found.from === shut) { close(); return; }
  const turn = ++asked;
  if (!(await filled(list)) || turn !== asked || document.activeElement !== area) return;
  const all = [...list.children];
  const fitting = all.filter((one) => finds(one).some((name) => name.startsWith(found.query))).slice(0, MOST);
  if (!fitting.length) { close(); return; }
  const was = picked();
  for (const one of all) one.hidden = !fitting.includes(one);
  open = { area, list, from: found.from };
  area.setAttribute("aria-controls", list.id);
  if (!list.matches(":popover-open")) list.showPopover();
  place(area, list);
  pick(fitting.includes(was) ? was : fitting[0]);
  say(word("offered", { n: fitting.length }));
}

function take(item) {
  const { area, from } = open;
  area.setRangeText(`@${item.dataset.called} `, from, area.selectionStart, "end");
  close();
  area.dispatchEvent(new Event("input", { bubbles: true }));
  area.focus();
}

function step(by) {
  const all = shown();
  pick(all[(all.indexOf(picked()) + by + all.length) % all.length]);
}

const AREA = "form[data-composer] textarea";
document.addEventListener("input", (event) => {
  if (!event.target.matches?.(AREA)) { if (event.target.name === "visibility") close(); return; }
  if (event.isComposing) return;
  if (shut >= 0 && event.target.value[shut] !== "@") shut = -1;
  offer(event.target);
});
// The caret went elsewhere.
document.addEventListener("selectionchange", () => {
  const area = document.activeElement;
  if (open && (area !== open.area || typed(area)?.from !== open.from)) close();
});
document.addEventListener("focusout", (event) => { if (open?.area === event.target) close(); });
// Before the keys of the page and of the composer.
document.addEventListener("keydown", (event) => {
  if (!open || event.target !== open.area || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown") step(1);
  else if (event.key === "ArrowUp") step(-1);
  else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) take(picked());
  else if (event.key === "Escape") { shut = open.from; close(); }
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
// A touch or a press must not take the focus from the note, or the list would be gone before it is chosen.
document.addEventListener("pointerdown", (event) => { if (event.target.closest?.("[data-names]")) event.preventDefault(); });
document.addEventListener("mousedown", (event) => { if (event.target.closest?.("[data-names]")) event.preventDefault(); });
document.addEventListener("click", (event) => {
  const item = event.target.closest?.("[data-names] [role=option]");
  if (item && open) take(item);
});
document.addEventListener("htmx:before:swap", () => { if (open && !open.area.isConnected) close(); });
