// A picture, film or sound that could not be fetched leaves a tile in its place that says so and links to where it lies.
const FILE = "[data-remote] :is(img, video, audio)";

function lost(file) {
  const box = file.closest("[data-remote]");
  for (const one of box.children) one.hidden = !one.matches(".media-lost");
}

document.addEventListener("error", (event) => { if (event.target.matches?.(FILE)) lost(event.target); }, true);
// What failed before this ran.
function look() {
  for (const file of document.querySelectorAll(FILE)) if (file.error || (file.complete && file.currentSrc && !file.naturalWidth)) lost(file);
}
document.addEventListener("htmx:after:swap", look);
look();
