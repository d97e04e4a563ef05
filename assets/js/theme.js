// The server renders the theme from a cookie as a class on <html>; here it is only changed. One year, this site only.
const root = document.documentElement;

export function keep(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
}

document.addEventListener("click", (event) => {
  const theme = event.target.closest("[data-theme]")?.dataset.theme;
  if (theme) {
    root.classList.remove("light", "dark", "system");
    root.classList.add(theme);
    keep("cxm_theme", theme);
    for (const button of document.querySelectorAll("[data-theme]")) button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
  }
  if (event.target.closest("[data-rail]")) {
    const narrow = root.classList.toggle("rail-icons");
    keep("cxm_rail", narrow ? "icons" : "names");
  }
});
