// Relative times and clocks that run on, in the words the server used.
import { word } from "./words.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const EVERY = 15000;

export function span(seconds) {
  const n = Math.abs(seconds);
  if (n < HOUR) return word("minutes", { n: Math.max(1, Math.floor(n / MINUTE)) });
  if (n < DAY) {
    const hours = Math.floor(n / HOUR);
    const minutes = Math.floor((n % HOUR) / MINUTE);
    return hours < 3 && minutes ? word("hoursMinutes", { h: hours, m: minutes }) : word("hours", { n: hours });
  }
  return word("days", { n: Math.floor(n / DAY) });
}

function age(element, now) {
  const seconds = (now - Date.parse(element.dateTime)) / 1000;
  if (seconds > 7 * DAY || seconds < -MINUTE) return;
  element.textContent = seconds < MINUTE ? word("now") : seconds < HOUR ? word("minutes", { n: Math.floor(seconds / MINUTE) })
    : seconds < DAY ? word("hours", { n: Math.floor(seconds / HOUR) }) : word("days", { n: Math.floor(seconds / DAY) });
}

// Tones change before it is late: a quarter of the time left, at most an hour, is a warning.
function clock(element, now) {
  const left = (Date.parse(element.dateTime) - now) / 1000;
  const warnAt = Number(element.dataset.warn || HOUR);
  const tone = left < 0 ? "bad" : left <= warnAt ? "warn" : "neutral";
  element.querySelector("[data-words]").textContent = word(left < 0 ? "late" : element.dataset.clock || "within", { span: span(left) });
  const chip = element.closest(".chip");
  if (chip && !chip.classList.contains(`chip-${tone}`)) {
    chip.classList.remove("chip-neutral", "chip-warn", "chip-bad");
    chip.classList.add(`chip-${tone}`);
  }
}

function tick(root = document) {
  if (!document.getElementById("words")) return;
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-age]")) age(element, now);
  for (const element of root.querySelectorAll("time[data-clock]")) clock(element, now);
}

tick();
setInterval(tick, EVERY);
document.addEventListener("htmx:after:swap", () => tick());
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

// The browser's own time zone is offered where one can be chosen.
for (const button of document.querySelectorAll("[data-browser-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const field = document.getElementById(button.dataset.browserZone);
  if (!zone || !field || field.value === zone) continue;
  button.textContent = button.dataset.pattern.replace("{zone}", zone);
  button.hidden = false;
  button.addEventListener("click", () => { field.value = zone; button.hidden = true; field.focus(); });
}
