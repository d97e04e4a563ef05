// Selected rows: a bar with how many, shown only while there are some. Inputs are named by the page, so the form carries them.
import { word } from "./words.js";

function refresh() {
  const boxes = [...document.querySelectorAll("[data-select]")];
  const chosen = boxes.filter((box) => box.checked);
  for (const box of boxes) box.closest("[data-row]")?.classList.toggle("selected", box.checked);
  for (const bar of document.querySelectorAll("[data-bulk]")) {
    bar.hidden = chosen.length === 0;
    const out = bar.querySelector("[data-bulk-count]");
    if (out) out.textContent = word("selected", { n: chosen.length });
  }
}

document.addEventListener("change", (event) => { if (event.target.matches("[data-select]")) refresh(); });
document.addEventListener("cxm:selection", refresh);
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-bulk-none]")) return;
  for (const box of document.querySelectorAll("[data-select]:checked")) box.checked = false;
  refresh();
});
