// Texts come from the page (design/words.html), translated by the server; scripts hold none.
const source = () => document.getElementById("words");

export function word(name, values = {}) {
  const pattern = source()?.dataset[name] ?? "";
  return pattern.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}
