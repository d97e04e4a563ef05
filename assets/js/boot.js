import "htmx.org/dist/htmx.esm.js";
import "htmx.org/dist/ext/hx-alpine-compat.js";

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
