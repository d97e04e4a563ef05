// Mod+K: pages and this page's actions at once, the rest from the server (an address in data-palette on body).
import { word } from "./words.js";

const dialog = document.getElementById("palette");
const input = dialog?.querySelector("input");
const list = dialog?.querySelector("[data-palette-list]");
const row = dialog?.querySelector("template");
let timer = 0;
let asked = 0;

function local() {
  const pages = [...document.querySelectorAll("[data-go-page]")].map((link) => ({ label: link.dataset.goPage, kind: word("page"), run: () => link.click() }));
  const actions = [...document.querySelectorAll("[data-key]")]
    .filter((element) => element.matches("button,a") && (element.checkVisibility?.() ?? true) && !element.disabled)
    .map((element) => ({ label: element.dataset.label || element.getAttribute("aria-label") || element.textContent.trim(), kind: word("action"), key: element.dataset.key, run: () => element.click() }));
  return [...actions, ...pages];
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function add(entry) {
  const item = row.content.firstElementChild.cloneNode(true);
  item.querySelector("[data-label]").textContent = entry.label;
  item.querySelector("[data-kind]").textContent = entry.kind ?? "";
  const key = item.querySelector("kbd");
  if (entry.key) key.textContent = entry.key;
  else key.remove();
  item.addEventListener("click", () => { dialog.close(); entry.run(); });
  list.append(item);
}

function pick(index) {
  const all = [...list.children];
  all.forEach((item, at) => {
    item.setAttribute("aria-selected", String(at === index));
    item.id = `palette-${at}`;
  });
  input.setAttribute("aria-activedescendant", all[index]?.id ?? "");
  all[index]?.scrollIntoView({ block: "nearest" });
}

const picked = () => [...list.children].findIndex((item) => item.getAttribute("aria-selected") === "true");

async function remote(text, turn) {
  const address = document.body.dataset.palette;
  if (!address || text.length < 2) return;
  const answer = await fetch(`${address}?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok || turn !== asked) return;
  for (const found of (await answer.json()).items) add({ label: found.label, kind: found.kind, run: () => location.assign(found.url) });
  pick(Math.max(picked(), 0));
}

function show() {
  const text = fold(input.value.trim());
  list.replaceChildren();
  local().filter((entry) => fold(entry.label).includes(text)).slice(0, 40).forEach(add);
  pick(0);
  dialog.querySelector("[data-palette-none]").hidden = list.children.length > 0;
  const turn = ++asked;
  clearTimeout(timer);
  timer = setTimeout(() => remote(input.value.trim(), turn), 150);
}

if (dialog) {
  const open = () => { input.value = ""; show(); dialog.showModal(); input.focus(); };
  document.addEventListener("cxm:palette", () => (dialog.open ? dialog.close() : open()));
  document.addEventListener("click", (event) => { if (event.target.closest("[data-open-palette]")) open(); });
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    const last = list.children.length - 1;
    if (event.key === "ArrowDown") pick(Math.min(picked() + 1, last));
    else if (event.key === "ArrowUp") pick(Math.max(picked() - 1, 0));
    else if (event.key === "Enter") list.children[picked()]?.click();
    else return;
    event.preventDefault();
  });
}
