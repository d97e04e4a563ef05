// The keyboard map. Single letters never fire while somebody writes and can be switched off (WCAG 2.1.4).
import { keep } from "./theme.js";

const body = document.body;
let prefix = "";
let prefixTimer = 0;

export function lettersOn() {
  return body.dataset.letters !== "off";
}

const visible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
const writing = (target) => target.closest?.("input:not([type=checkbox],[type=radio],[type=button],[type=submit]),textarea,select,[contenteditable]:not([contenteditable=false])");
const openDialog = () => document.querySelector("dialog[open]");

function rows() {
  const list = [...document.querySelectorAll("[data-rows]")].find(visible);
  return list ? [...list.querySelectorAll("[data-row]")].filter(visible) : [];
}

// The row with the focus, else the open one, else the one last moved to.
export function currentRow() {
  const all = rows();
  const focused = document.activeElement?.closest?.("[data-row]");
  return all.find((row) => row === focused) ?? all.find((row) => row.classList.contains("at")) ?? all.find((row) => row.getAttribute("aria-current") === "true");
}

const opens = (row) => (row.matches("[data-open]") ? row : row.querySelector("[data-open]") ?? row);

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(currentRow());
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  for (const row of all) row.classList.toggle("at", row === next);
  opens(next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const scope = currentRow();
  const of = (root) => [...root.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((element) => visible(element) && !element.disabled);
  const target = (scope && of(scope)) ?? of(document);
  if (!target) return false;
  if (target.matches("input:not([type=checkbox],[type=radio]),textarea,select")) target.focus();
  else target.click();
  return true;
}

function go(letter) {
  const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
  if (link) link.click();
  return Boolean(link);
}

const fixed = {
  j: () => move(1),
  k: () => move(-1),
  x: () => (currentRow()?.querySelector("[data-select]") ?? { click() {} }).click(),
  "/": () => [...document.querySelectorAll("[data-search]")].find(visible)?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
  g: () => {
    prefix = "g";
    clearTimeout(prefixTimer);
    prefixTimer = setTimeout(() => (prefix = ""), 1500);
  },
};

function letter(event) {
  const key = event.key;
  if (prefix === "g") {
    prefix = "";
    return go(key);
  }
  if (fixed[key]) {
    fixed[key]();
    return true;
  }
  return /^[a-z0-9[\]]$/i.test(key) && press(key);
}

// Out of a field: from the composer to what is answered, where letters are keys again; elsewhere the field is just left.
function leave(field) {
  const thread = field.closest("[data-composer]") && [...document.querySelectorAll("[data-open-conversation]")].find(visible);
  if (thread) thread.focus({ preventScroll: true });
  else field.blur();
}

// F6 goes from one part of the page to the next, as in a program with panes; data-region names what gets the focus there.
function region(step) {
  const all = [...document.querySelectorAll("[data-region]")].filter((one) => visible(one) && ![...one.querySelectorAll("[data-region]")].some(visible));
  const at = all.findIndex((one) => one.contains(document.activeElement));
  for (let turn = 1; turn <= all.length; turn += 1) {
    const one = all[(at + step * turn + all.length * 2) % all.length];
    const into = (one.querySelector("[data-rows]") && currentRow()?.closest("[data-region]") === one && opens(currentRow()))
      || one.querySelector(one.dataset.region) || one.querySelector("a[href],button:not([disabled]),input:not([type=hidden])");
    if (into && visible(into)) {
      into.focus();
      if (document.activeElement === into) return true;
    }
  }
  return false;
}

function closeSomething() {
  const panel = [...document.querySelectorAll("[data-close]")].filter(visible).at(-1);
  panel?.click();
  return Boolean(panel);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const mod = event.metaKey || event.ctrlKey;
  if (mod && event.key.toLowerCase() === "k" && !event.shiftKey && !event.altKey) {
    document.dispatchEvent(new CustomEvent("cxm:palette"));
    event.preventDefault();
    return;
  }
  if (mod || event.altKey || openDialog()) return;
  if (event.key === "Escape") {
    // A menu closes by itself and gives the focus back to where it came from.
    if (event.target.closest(":popover-open") || document.querySelector("[data-menu]:popover-open")) return;
    if (writing(event.target)) leave(event.target);
    else if (closeSomething()) event.preventDefault();
    return;
  }
  if (event.key === "F6") {
    if (region(event.shiftKey ? -1 : 1)) event.preventDefault();
    return;
  }
  if (event.key === "Enter" && event.target.matches("[data-row]:not([data-open])")) {
    opens(event.target).click();
    return;
  }
  if (writing(event.target) || !lettersOn()) return;
  if (letter(event)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-letters-switch]")) return;
  body.dataset.letters = event.target.checked ? "on" : "off";
  keep("cxm_letters", body.dataset.letters);
});
