// Light or dark: as the system says until somebody chooses; loaded first, so that nothing flashes.
"use strict";
const theme = (() => {
  const root = document.documentElement;
  const stored = { // a browser may refuse storage to a page from a file
    get(name) { try { return localStorage.getItem(name); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch { /* forgotten at the end, then */ } },
  };
  const system = () => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const show = (name) => { root.dataset.theme = name; };
  const current = () => root.dataset.theme;
  function toggle() {
    show(current() === "dark" ? "light" : "dark");
    stored.set("gallery.theme", current());
  }
  show(stored.get("gallery.theme") || system());
  return { toggle, current, stored };
})();
