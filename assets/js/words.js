// Texts come from the page (design/words.html), translated by the server; scripts hold none.
const source = () => document.getElementById("words");

export function word(name, values = {}) {
  const pattern = source()?.dataset[`w${name[0].toUpperCase()}${name.slice(1)}`] ?? "";
  return pattern.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}
