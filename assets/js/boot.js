import htmx from "htmx.org/dist/htmx.esm.js";

// Content is ready for keys and clicks in the same breath in which it is put on the page: with a delay in between, a key pressed
// as soon as something shows would find a button that does nothing yet, and be lost.
htmx.config.defaultSettleDelay = 0;

// A request that failed without an answer (network, time-out) says so; answers of any status are swapped by htmx 4 itself.
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx?.response) return;
  document.dispatchEvent(new CustomEvent("cxm:toast", { detail: { word: "unreachable", kind: "bad" } }));
});

// What swaps nothing has no target of its own that could go: a live update that replaces the pressed button while its answer is on
// the way must not make htmx pass over that answer.
document.addEventListener("htmx:config:request", ({ detail }) => {
  if (detail.ctx.swap?.startsWith("none")) detail.ctx.target = document.documentElement;
});
