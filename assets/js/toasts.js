// One polite region. The server sends HX-Trigger: {"cxm:toast": {"text": "...", "kind": "good", "undo": "/address"}}.
import htmx from "htmx.org/dist/htmx.esm.js";
import { word } from "./words.js";

const STAYS = 10000;

function show({ text, word: name, kind = "info", undo, seconds }) {
  const region = document.getElementById("toasts");
  const template = region?.querySelector("template");
  if (!template) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.classList.add(`toast-${["good", "warn", "bad", "info"].includes(kind) ? kind : "info"}`);
  toast.querySelector("[data-text]").textContent = text ?? word(name);
  const button = toast.querySelector("[data-undo]");
  if (undo?.startsWith("/")) {
    button.setAttribute("hx-post", undo);
    button.setAttribute("hx-swap", "none");
    button.setAttribute("hx-target", "body");
    // Out of sight at once, but in the page until the answer: htmx ignores what is gone.
    button.addEventListener("click", () => (toast.hidden = true));
    button.addEventListener("htmx:finally:request", () => toast.remove());
  } else button.remove();
  toast.querySelector("[data-dismiss]").addEventListener("click", () => toast.remove());
  // The key undoes what was done last; what came before has its button.
  if (undo) for (const older of region.querySelectorAll("[data-undo][data-key]")) {
    older.removeAttribute("data-key");
    older.querySelector("kbd")?.remove();
  }
  region.append(toast);
  htmx.process(toast);
  // An error stays until it is read.
  if (kind !== "bad") fade(toast, (seconds ?? 0) * 1000 || STAYS);
}

function fade(toast, after) {
  const end = () => (toast.matches(":hover,:focus-within") ? fade(toast, 2000) : toast.remove());
  setTimeout(end, after);
}

document.addEventListener("cxm:toast", (event) => show(event.detail ?? {}));
for (const toast of document.querySelectorAll("#toasts .toast")) {
  toast.querySelector("[data-dismiss]")?.addEventListener("click", () => toast.remove());
}
