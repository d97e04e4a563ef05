// Menus: they stand by what opened them, take the focus, go by arrows and first letters, and give the focus back.
const GAP = 6;
// A sheet of our own, not a style attribute: htmx carries attributes over to new content, which the content policy refuses.
const places = new CSSStyleSheet();
document.adoptedStyleSheets.push(places);

const visible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
const MENU = ".menu[popover]";
const ITEM = ".menu-item:is(a,button)";
const FIELD = "input:not([type=hidden]),select,textarea";

let camefrom = null;

// Where the focus was before a menu took it; null where that is gone or out of sight.
export function before() {
  return camefrom?.isConnected && visible(camefrom) ? camefrom : null;
}

function place(menu, opener) {
  const at = opener.getBoundingClientRect();
  const wide = menu.offsetWidth;
  const left = Math.min(Math.max(document.dir === "rtl" ? at.right - wide : at.left, GAP), innerWidth - wide - GAP);
  const under = at.bottom + GAP;
  const fits = under + menu.offsetHeight <= innerHeight - GAP;
  const top = fits ? under : Math.max(GAP, innerHeight - menu.offsetHeight - GAP);
  places.replaceSync(`#${CSS.escape(menu.id)} { left: ${left}px; top: ${top}px; }`);
}

document.addEventListener("beforetoggle", (event) => {
  if (!event.target.matches?.(MENU) || event.newState !== "open") return;
  const active = document.activeElement;
  camefrom = active && active !== document.body && !active.closest(MENU) ? active : null;
}, true);

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(MENU) || event.newState !== "open") return;
  const opener = [...document.querySelectorAll(`[popovertarget="${CSS.escape(menu.id)}"]`)].find(visible);
  if (opener && menu.matches("[data-menu]")) place(menu, opener);
  // What reaches further than what is ticked is chosen anew each time.
  for (const wide of menu.querySelectorAll("[data-reset]")) wide.checked = false;
  (menu.querySelector("[aria-current]") ?? menu.querySelector(`${ITEM},${FIELD}`))?.focus();
}, true);

// The nearest item in that direction; items may stand in columns, and columns run from the right in right-to-left.
function towards(all, from, key) {
  const at = from.getBoundingClientRect();
  const down = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
  const side = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  const far = (one) => {
    const box = one.getBoundingClientRect();
    const [along, across] = down ? [(box.top - at.top) * down, Math.abs(box.left - at.left)] : [(box.left - at.left) * side, Math.abs(box.top - at.top)];
    return along < 4 || (side && across > 4) ? Infinity : along + across * 3;
  };
  const next = all.map((one) => [far(one), one]).filter(([distance]) => distance < Infinity).sort((a, b) => a[0] - b[0])[0]?.[1];
  return next ?? (down ? all.at(down > 0 ? 0 : -1) : null);
}

function goal(menu, event) {
  const all = [...menu.querySelectorAll(ITEM)].filter((one) => visible(one) && !one.disabled);
  const { key, target } = event;
  if (!all.length) return null;
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key.startsWith("Arrow")) return all.includes(target) ? towards(all, target, key) : key === "ArrowDown" ? all[0] : null;
  const at = all.indexOf(target) + 1;
  return [...all.slice(at), ...all.slice(0, at)].find((one) => one.textContent.trim().toLocaleLowerCase().startsWith(key.toLocaleLowerCase())) ?? null;
}

// In the capture phase: while a menu has the focus, letters choose in it and are no keys of the page.
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(MENU);
  if (!menu || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const letter = event.key.length === 1 && event.key !== " ";
  if (event.target.matches("textarea,select,input:not([type=checkbox],[type=radio])") || (event.target.matches("[type=radio]") && !letter)) return;
  if (!letter && !/^(Arrow(Up|Down|Left|Right)|Home|End)$/.test(event.key)) return;
  goal(menu, event)?.focus();
  event.preventDefault();
}, true);

// What was chosen in a menu closes it, as soon as the server took it; the letters are keys again. What only fills it (data-stays) does not.
document.addEventListener("htmx:after:request", (event) => {
  const ctx = event.detail?.ctx;
  const menu = ctx?.sourceElement?.closest?.("[data-menu][popover]");
  if (!menu || ctx.sourceElement.matches("[data-stays]") || !ctx.response?.raw?.ok || !menu.matches(":popover-open")) return;
  menu.hidePopover();
  if (menu.contains(document.activeElement)) (before() ?? document.activeElement).focus();
  if (menu.contains(document.activeElement)) document.activeElement.blur();
});
