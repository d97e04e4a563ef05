// More tabs than fit scroll sideways: the one that is open is brought into view.
function reveal() {
  for (const open of document.querySelectorAll(".tabs [aria-current]")) {
    const bar = open.parentElement;
    const [inner, outer] = [open.getBoundingClientRect(), bar.getBoundingClientRect()];
    if (inner.left < outer.left || inner.right > outer.right) bar.scrollLeft += (inner.left + inner.right) / 2 - (outer.left + outer.right) / 2;
  }
}
document.addEventListener("htmx:after:swap", reveal);
reveal();
