// Run in the gallery by test_looks.py. The words of the page's own font only, so that no machine's other fonts move anything.
(() => {
  const known = /[^\u0020-\u024f\u0370-\u04ff\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20ac\u2190-\u2193\u2212]/gu;
  const strange = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\u0300-\u036f]/gu;
  const plain = (text) => text.replace(strange, "").replace(known, (sign) => (/\s/u.test(sign) ? " " : "n"));

  function prepare() {
    // What runs by its own letters keeps its direction when the letters go.
    for (const one of document.querySelectorAll("[dir=auto], bdi")) one.dir = getComputedStyle(one).direction;
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) if (walk.currentNode.parentElement.tagName !== "SCRIPT") walk.currentNode.data = plain(walk.currentNode.data);
    for (const one of document.querySelectorAll("input, textarea")) {
      if (one.placeholder) one.placeholder = plain(one.placeholder);
      if (!["checkbox", "radio"].includes(one.type)) one.value = plain(one.value);
    }
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      :root { --sans: "Inter Variable"; --mono: "Inter Variable"; --emoji: "Inter Variable"; }
      *, *::before, *::after { font-family: "Inter Variable" !important; animation: none !important; transition: none !important; caret-color: transparent !important; scrollbar-width: none !important; }
      .shell { display: block !important; block-size: auto !important; overflow: visible !important; }
      .rail, .bottom, .connection, .head, .toasts:not(.state-box *), .skip { display: none !important; }
      .page, .main, .content, .scroll { display: block !important; overflow: visible !important; }
      :is(textarea, select, input) { resize: none !important; }
      textarea { max-block-size: 300px !important; }
    `);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    document.activeElement?.blur?.();
    return Promise.all(["400", "500", "600", "700"].map((weight) => document.fonts.load(`${weight} 14px "Inter Variable"`, "aé"))).then((all) => all.every((one) => one.length > 0) && document.fonts.ready.then(() => true));
  }

  // Every box of every state, measured from the corner of its state: [what it is, x, y, width, height].
  function boxes() {
    const found = {};
    let number = 0;
    for (const section of document.querySelectorAll(".specimen")) {
      for (const state of section.querySelectorAll(".state")) {
        const from = state.getBoundingClientRect();
        const rows = [];
        for (const one of state.querySelectorAll("*")) {
          if (one.closest("svg") && one.tagName !== "svg") continue;
          if (["OPTION", "SCRIPT", "TEMPLATE", "BR", "MARK"].includes(one.tagName) || one.closest("template")) continue;
          const box = one.getBoundingClientRect();
          if (box.width < 1 || box.height < 1) continue;
          const name = `${one.tagName.toLowerCase()}${one.classList[0] ? `.${one.classList[0]}` : ""}`;
          rows.push([name, ...[box.x - from.x, box.y - from.y, box.width, box.height].map((value) => Math.round(value))]);
        }
        found[`${section.id} ${(number += 1)}: ${state.querySelector(".state-name")?.textContent ?? ""}`] = rows;
      }
    }
    return found;
  }

  const load = (data) => new Promise((resolve, reject) => { const image = new Image(); image.onload = () => resolve(image); image.onerror = reject; image.src = `data:image/png;base64,${data}`; });

  function pixels(image, width, height) {
    const canvas = new OffscreenCanvas(width, height);
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    paper.imageSmoothingQuality = "high";
    paper.drawImage(image, 0, 0, width, height);
    return [canvas, paper, paper.getImageData(0, 0, width, height)];
  }

  // A third of the size and 16 steps a colour: small to keep, and blind to how an edge is smoothed.
  async function shrink(data) {
    const image = await load(data);
    const [canvas, paper, drawn] = pixels(image, Math.round(image.width / 3), Math.round(image.height / 3));
    for (let at = 0; at < drawn.data.length; at += 1) drawn.data[at] = at % 4 === 3 ? 255 : drawn.data[at] & 0xf0;
    paper.putImageData(drawn, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }

  // The share of pixels that differ by more than `step` in a colour, and where the first stands; sizes that differ differ whole.
  async function differ(one, other, step) {
    const [left, right] = await Promise.all([load(one), load(other)]);
    if (left.width !== right.width || left.height !== right.height) return [1, `${left.width}x${left.height}, was ${right.width}x${right.height}`];
    const [a, b] = [pixels(left, left.width, left.height)[2].data, pixels(right, right.width, right.height)[2].data];
    let count = 0;
    let first = null;
    for (let at = 0; at < a.length; at += 4) {
      if (Math.max(Math.abs(a[at] - b[at]), Math.abs(a[at + 1] - b[at + 1]), Math.abs(a[at + 2] - b[at + 2])) > step) {
        count += 1;
        first ??= at / 4;
      }
    }
    return [count / (a.length / 4), first === null ? "" : `first at x ${(first % left.width) * 3}, y ${Math.floor(first / left.width) * 3}`];
  }

  // How this browser draws our font: what decides whether pixels can be compared at all.
  async function hand() {
    const canvas = new OffscreenCanvas(360, 40);
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    paper.font = '600 21px "Inter Variable"';
    [paper.direction, paper.textAlign] = ["ltr", "left"];
    paper.fillText("Hamburgefonstiv 0123 äß", 4, 28);
    let sum = 2166136261;
    for (const byte of paper.getImageData(0, 0, 360, 40).data) sum = Math.imul(sum ^ byte, 16777619) >>> 0;
    return sum.toString(16);
  }

  window.looks = { prepare, boxes, shrink, differ, hand };
})();
