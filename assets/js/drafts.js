// What is being written is kept on the server, for each way of saying it apart; here only until the server has it.
const PREFIX = "cxm.draft.";
const WAIT = 700;

// form -> { mode, texts: {mode: text}, told: {mode: what the server has}, timer, travelling }
const states = new WeakMap();

const area = (form) => form.querySelector("textarea");
const radios = (form) => [...form.querySelectorAll("input[name=visibility]")];
export const modeOf = (form) => radios(form).find((radio) => radio.checked)?.value ?? "";
const key = (form, mode) => `${PREFIX}${form.dataset.draft}.${mode}`;
const filesOf = (form, mode) => [...form.querySelectorAll("[data-file]")].filter((chip) => chip.dataset.mode === mode && chip.dataset.file).map((chip) => chip.dataset.file);
const whole = (form, mode) => JSON.stringify([states.get(form).texts[mode] ?? "", filesOf(form, mode)]);

function read(name) {
  try { return JSON.parse(localStorage.getItem(name) ?? "null"); } catch { return null; /* an unreadable draft is no draft */ }
}

// Words to be found at that conversation's composer when it is next opened: before what stands there.
export function leave(conversation, mode, text) {
  localStorage.setItem(`${PREFIX}${conversation}.${mode}`, JSON.stringify({ text, before: true }));
}

export function begin(form) {
  const state = { mode: modeOf(form), texts: {}, told: {}, timer: 0, travelling: Promise.resolve() };
  states.set(form, state);
  for (const radio of radios(form)) state.texts[radio.value] = radio.dataset.text ?? "";
  state.texts[state.mode] = area(form).value;
  for (const mode of Object.keys(state.texts)) state.told[mode] = whole(form, mode);
  if (!form.dataset.draft) return;
  for (const mode of Object.keys(state.texts)) {
    const kept = read(key(form, mode));
    if (!kept?.text) continue;
    const there = state.texts[mode];
    state.texts[mode] = kept.before && there.trim() ? `${kept.text}\n\n${there}` : kept.text;
    if (!there && !state.texts[state.mode].trim()) choose(form, mode);
    send(form, mode);
  }
  area(form).value = state.texts[state.mode];
}

function choose(form, mode) {
  const radio = radios(form).find((one) => one.value === mode);
  if (radio) radio.checked = true;
  states.get(form).mode = mode;
}

// Another way of saying it: its own words come, the former ones stay with theirs.
export function switched(form) {
  const state = states.get(form);
  const mode = modeOf(form);
  if (!state || mode === state.mode) return;
  state.texts[state.mode] = area(form).value;
  flush(form);
  state.mode = mode;
  area(form).value = state.texts[mode] ?? "";
}

export function save(form) {
  const state = states.get(form);
  if (!state || !form.dataset.draft) return;
  const text = (state.texts[state.mode] = area(form).value);
  const name = key(form, state.mode);
  if (text.trim()) localStorage.setItem(name, JSON.stringify({ text }));
  else localStorage.removeItem(name);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => flush(form), WAIT);
}

export function flush(form) {
  const state = states.get(form);
  if (!state) return;
  clearTimeout(state.timer);
  state.timer = 0;
  send(form, state.mode);
}

// One after another, so that an older text never comes last. What the server has not taken stays here for the next visit.
function send(form, mode) {
  const state = states.get(form);
  if (!form.dataset.drafts || whole(form, mode) === state.told[mode]) return;
  const was = whole(form, mode);
  const text = state.texts[mode] ?? "";
  const body = new URLSearchParams({ text, visibility: mode, csrfmiddlewaretoken: form.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "" });
  for (const file of filesOf(form, mode)) body.append("media", file);
  state.told[mode] = was;
  const name = key(form, mode);
  // keepalive: also when the page is being left; it takes 64 KB at most.
  const go = () => fetch(form.dataset.drafts, { method: "POST", body, keepalive: text.length < 15000, credentials: "same-origin" }).then((answer) => {
    if (!answer.ok) throw new Error(String(answer.status));
    if (read(name)?.text === text || !text.trim()) localStorage.removeItem(name);
  }).catch(() => { if (state.told[mode] === was) state.told[mode] = null; });
  state.travelling = state.travelling.then(go);
}

// It was said: nothing of it may come back, not even by a draft that is still on its way.
export function said(form, mode, text) {
  const state = states.get(form);
  if (!state) return;
  state.told[mode] = null;
  const kept = mode === state.mode ? area(form).value : state.texts[mode] ?? "";
  state.texts[mode] = kept.startsWith(text) ? kept.slice(text.length) : kept;
  if (mode === state.mode) area(form).value = state.texts[mode];
  localStorage.removeItem(key(form, mode));
  send(form, mode);
}

const all = () => [...document.querySelectorAll("form[data-composer][data-ready]")];
const flushAll = () => all().forEach(flush);
window.addEventListener("pagehide", flushAll);
window.addEventListener("online", flushAll);
document.addEventListener("visibilitychange", () => { if (document.hidden) flushAll(); });
document.addEventListener("htmx:before:swap", flushAll);
