// Files with an answer: chosen, pasted, dropped; said too large before they travel; each belongs to one way of saying it.
import { flush, modeOf, save } from "./drafts.js";

const place = (form) => form.querySelector("[data-files]");
const chips = (form) => [...(place(form)?.querySelectorAll("[data-mode]") ?? [])];
const radio = (form) => form.querySelector("input[name=visibility]:checked");
const token = (form) => form.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const asked = (form, extra = {}) => ({ "X-CSRFToken": token(form), "HX-Request": "true", "HX-Target": "div#composer-says", ...extra });

export const attached = (form, mode = modeOf(form)) => chips(form).filter((chip) => chip.dataset.mode === mode);
export const uploading = (form) => chips(form).some((chip) => chip.hasAttribute("aria-busy"));

// Only the chips of the way chosen are shown and sent.
export function show(form) {
  const mode = modeOf(form);
  for (const chip of chips(form)) {
    chip.hidden = chip.dataset.mode !== mode;
    for (const input of chip.querySelectorAll("input")) input.disabled = chip.hidden;
  }
  const button = form.querySelector("[data-attach]");
  if (!button) return;
  const say = radio(form)?.dataset.filesSay ?? "";
  button.hidden = !radio(form)?.dataset.filesMost;
  button.title = say ? `${button.textContent.trim()}. ${say}` : button.textContent.trim();
}

function tell(form, text) {
  const said = form.querySelector("[data-over]");
  if (said) said.textContent = text;
}

function refused(answer) {
  const beside = document.getElementById("composer-says");
  if (beside) beside.innerHTML = answer; // a fragment of ours
}

const changed = (form) => form.dispatchEvent(new CustomEvent("cxm:files", { bubbles: true }));

export async function add(form, list) {
  const where = place(form);
  const rule = radio(form)?.dataset ?? {};
  const files = [...list].filter((file) => file.size || file.type);
  if (!files.length) return;
  if (!where || !rule.filesMost) { tell(form, where?.dataset.none ?? ""); return; }
  const mode = modeOf(form);
  const sizes = attached(form).reduce((sum, chip) => sum + Number(chip.dataset.size), 0) + files.reduce((sum, file) => sum + file.size, 0);
  if (attached(form).length + files.length > Number(rule.filesMost)) { tell(form, `${where.dataset.many} ${rule.filesSay}`); return; }
  if (sizes > Number(rule.filesSize)) { tell(form, `${where.dataset.large} ${rule.filesSay}`); return; }
  await Promise.all(files.map((file) => upload(form, where, mode, file)));
}

async function upload(form, where, mode, file) {
  const chip = document.createElement("span");
  chip.className = "chip chip-outline composer-file";
  chip.dataset.mode = mode;
  chip.dataset.size = file.size;
  chip.setAttribute("aria-busy", "true");
  chip.textContent = `${file.name || "file"} · ${where.dataset.busy}`;
  where.append(chip);
  changed(form);
  const query = new URLSearchParams({ name: file.name || "file", type: file.type, mode });
  try {
    const answer = await fetch(`${where.dataset.upload}?${query}`, { method: "POST", body: file, headers: asked(form, { "Content-Type": "application/octet-stream" }), credentials: "same-origin" });
    const text = await answer.text();
    if (answer.ok) chip.insertAdjacentHTML("beforebegin", text);
    else refused(text);
  } catch {
    document.dispatchEvent(new CustomEvent("cxm:toast", { detail: { word: "unreachable", kind: "bad" } }));
  }
  chip.remove();
  keep(form);
}

function keep(form) {
  changed(form);
  save(form);
  flush(form);
}

// Files of an answer that was taken back, or failed, stand in the composer again.
export async function bring(form, mode, ids) {
  const where = place(form);
  const wanted = ids.filter((id) => id && !where?.querySelector(`[data-file="${CSS.escape(id)}"]`));
  if (!where || !wanted.length) return;
  const answer = await fetch(`${where.dataset.upload}?${new URLSearchParams({ ids: wanted.join(","), mode })}`, { headers: asked(form), credentials: "same-origin" });
  if (answer.ok) where.insertAdjacentHTML("beforeend", await answer.text());
  keep(form);
}

export const ids = (form, mode) => attached(form, mode).map((chip) => chip.dataset.file).filter(Boolean);
export function sent(form, gone) {
  for (const chip of chips(form)) if (gone.includes(chip.dataset.file)) chip.remove();
}

const formOf = (event) => event.target.closest?.("form[data-composer]");

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-file-input]")) return;
  add(formOf(event), event.target.files);
  event.target.value = "";
});
document.addEventListener("click", (event) => {
  const chip = event.target.closest?.("[data-file-remove]")?.closest("[data-file]");
  const form = chip?.closest("form[data-composer]");
  if (!form) return;
  const body = new URLSearchParams({ file: chip.dataset.file });
  fetch(`${place(form).dataset.upload}/drop`, { method: "POST", body, headers: { "X-CSRFToken": token(form) }, credentials: "same-origin" }).catch(() => { /* cleared later */ });
  chip.remove();
  keep(form);
  form.querySelector("textarea").focus();
});
document.addEventListener("paste", (event) => {
  const form = formOf(event);
  const files = event.clipboardData?.files ?? [];
  // Copied text that brings a picture of itself along is text.
  if (!form || !files.length || event.clipboardData.getData("text/plain")) return;
  event.preventDefault();
  add(form, files);
});
const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const target = (event) => formOf(event) ?? event.target.closest?.(".pane-main")?.querySelector("form[data-composer]");
document.addEventListener("dragover", (event) => {
  if (!carries(event)) return;
  event.preventDefault(); // a file dropped beside must not take the page away
  target(event)?.classList.add("composer-drop");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) for (const form of document.querySelectorAll(".composer-drop")) form.classList.remove("composer-drop");
});
document.addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  const form = target(event);
  for (const one of document.querySelectorAll(".composer-drop")) one.classList.remove("composer-drop");
  if (form) add(form, event.dataTransfer.files);
});
