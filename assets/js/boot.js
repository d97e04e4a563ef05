import "htmx.org/dist/htmx.esm.js";
import "htmx.org/dist/ext/hx-alpine-compat.js";

// A request that failed without an answer (network, time-out) says so; answers of any status are swapped by htmx 4 itself.
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx?.response) return;
  document.dispatchEvent(new CustomEvent("cxm:toast", { detail: { word: "unreachable", kind: "bad" } }));
});
