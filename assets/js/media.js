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

// What lies elsewhere is fetched by our server, which may take its time, and a browser has six lines to a host, one of them for what
// happens live: so pictures are asked for as they come near, few at once, and never stand in the way of the page itself.
const AT_ONCE = 3;
const WAITING = "img[data-src]:not([src])";
const shown = new Set();
const line = [];
let under = 0;

function next() {
  while (under < AT_ONCE && line.length) {
    const picture = line.shift();
    if (!picture.isConnected || picture.hasAttribute("src")) continue;
    under += 1;
    let over = false;
    const done = () => { if (!over) { over = true; under -= 1; if (shown.size > 500) shown.clear(); shown.add(picture.dataset.src); next(); } };
    picture.addEventListener("load", done, { once: true });
    picture.addEventListener("error", done, { once: true });
    // A picture that is taken off the page says nothing any more: its place is not lost with it.
    setTimeout(done, 30_000);
    picture.src = picture.dataset.src;
  }
}

const near = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) { near.unobserve(one.target); line.push(one.target); }
  next();
}, { rootMargin: "240px" });

function wait() {
  // What was on the page before a part of it was drawn anew stays as it was, without a blink.
  for (const one of document.querySelectorAll(WAITING)) if (shown.has(one.dataset.src)) one.src = one.dataset.src; else near.observe(one);
}
document.addEventListener("htmx:after:swap", wait);
wait();
