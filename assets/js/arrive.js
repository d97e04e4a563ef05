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

// A form in a menu that was refused: the words stand beside the field they are about (else the first one), which gets the focus.
function clear(form) {
  for (const old of form.querySelectorAll("[data-wrong]")) old.remove();
  for (const field of form.querySelectorAll("[aria-invalid=true]")) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.described != null) field.setAttribute("aria-describedby", field.dataset.described);
  }
}

function beside(form, field, text) {
  const words = document.getElementById("wrong").content.firstElementChild.cloneNode(true);
  words.querySelector("span").textContent = text;
  words.id = `${field.id || field.name}-wrong`;
  words.dataset.wrong = "";
  field.insertAdjacentElement("afterend", words);
  field.dataset.described ??= field.getAttribute("aria-describedby") ?? "";
  field.setAttribute("aria-describedby", `${words.id} ${field.dataset.described}`.trim());
  field.setAttribute("aria-invalid", "true");
}

document.addEventListener("cxm:wrong", (event) => {
  const { text, fields = {} } = event.detail ?? {};
  const form = event.target.closest?.("form");
  const known = form ? [...form.querySelectorAll("input:not([type=hidden],[type=checkbox]),select,textarea")].filter(visible) : [];
  if (!known.length) { document.dispatchEvent(new CustomEvent("cxm:toast", { detail: { text, kind: "bad" } })); return; }
  clear(form);
  const found = known.filter((field) => fields[field.name]);
  for (const field of found.length ? found : [known[0]]) beside(form, field, found.length > 1 ? fields[field.name] : text);
  (found[0] ?? known[0]).focus();
});
document.addEventListener("htmx:before:request", (event) => {
  const form = event.target.matches?.("form") ? event.target : null;
  if (form && !form.matches("[data-composer]")) clear(form);
});

const opened = () => first("[data-open-conversation]")?.dataset.openConversation ?? "";
const lost = () => !document.activeElement || document.activeElement === document.body || document.activeElement.disabled || !visible(document.activeElement);

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
document.addEventListener("htmx:after:swap", (event) => queueMicrotask(() => {
  if (event.detail?.ctx?.response?.status === 422 && wrong(document)) return;
  settle();
}));

// A button that is off while it works loses the focus by that: it has it again afterwards.
let pressed = null;
document.addEventListener("htmx:before:request", ({ detail }) => {
  if (detail?.ctx?.sourceElement === document.activeElement) pressed = document.activeElement;
});
document.addEventListener("htmx:finally:request", ({ detail }) => {
  if (!pressed || (detail?.ctx?.sourceElement !== pressed && pressed.isConnected)) return;
  const button = pressed;
  pressed = null;
  setTimeout(() => {
    const again = button.isConnected ? button : button.id && document.getElementById(button.id);
    if (lost() && again && visible(again)) again.focus({ preventScroll: true });
  });
});
