// Confirmations open by data-dialog="<id>"; what is shown once can be copied; panels close by their link.
import { word } from "./words.js";

document.addEventListener("click", async (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog)?.showModal();
    return;
  }
  const closer = event.target.closest?.("[data-dialog-close]");
  if (closer) { closer.closest("dialog")?.close(); return; }
  if (event.target.matches?.("dialog[data-light-dismiss]")) { event.target.close(); return; }
  const copy = event.target.closest?.("[data-copy]");
  if (!copy) return;
  const field = document.getElementById(copy.dataset.copy);
  const text = field?.value ?? field?.textContent ?? "";
  try { await navigator.clipboard.writeText(text); } catch { field?.select?.(); document.execCommand("copy"); }
  document.dispatchEvent(new CustomEvent("cxm:toast", { detail: { text: word("copied"), kind: "good", seconds: 3 } }));
});
// A form in a dialog that the server took closes it.
document.addEventListener("htmx:after:request", (event) => {
  const { request, response } = event.detail?.ctx ?? {};
  if (response?.raw?.ok && request?.method !== "GET") event.target.closest?.("dialog[open]")?.close();
});
