// The page: filters in, pictures out; keys; and the address that says what is shown.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const [search, sort, form, toggle, help] = ["search", "sort", "filters", "toggle", "help"].map(by);

  function update() {
    const found = filters.chosen(), all = collection.pictures.length;
    const counted = found.length === all ? `${words.number(all)} pictures` : `${words.number(found.length)} of ${words.number(all)} pictures`;
    by("count").textContent = collection.about.most ? `${counted}, the newest of each source` : counted;
    const chips = filters.summary();
    by("chosen").replaceChildren(...chips, ...(chips.length > 1 ? [make("button", { class: "chip clear", onclick: clear }, "Clear all")] : []));
    by("nothing").hidden = found.length > 0;
    by("nothing").textContent = all ? "Nothing matches. Take a filter away." : "Nothing is stored yet. Collect first: luigi --module luigi_tasks Collect";
    grid.show(found);
  }
  function changed() {
    scrollTo(0, 0);
    write();
    update();
  }
  function write() {
    const said = String(filters.toAddress());
    history.replaceState(null, "", said ? `#${said}` : location.href.split("#")[0]);
  }
  function clear() { search.value = ""; filters.reset(); }
  function read() {
    const said = new URLSearchParams(location.hash.slice(1));
    filters.fromAddress(said);
    search.value = filters.state.text;
    sort.value = filters.state.sort;
    update();
    if (said.get("id")) jump(said.get("id"));
  }
  function open(at) { viewer.start(at, (last) => { write(); grid.focusOn(last); }); }
  function jump(id) {
    const picture = collection.byId.get(id);
    if (!picture || viewer.open && picture === undefined) return;
    let at = grid.pictures.indexOf(picture);
    if (at < 0 && picture.purity === "nsfw" && !filters.state.purity.has("nsfw")) return; // hidden unless chosen
    if (at < 0) { filters.reset(); at = grid.pictures.indexOf(picture); }
    if (at >= 0) setTimeout(() => open(at), viewer.open ? 450 : 0); // PhotoSwipe closes in a third of a second
  }
  function showFilters(show) {
    document.body.classList.toggle("filtering", show);
    toggle.setAttribute("aria-expanded", String(show));
  }

  const KEYS = {
    "/": () => { search.focus(); search.select(); }, t: () => theme.toggle(), "?": () => help.showModal(),
    f: () => { showFilters(!document.body.classList.contains("filtering")); form.querySelector("input")?.focus(); },
  };
  function key(event) {
    if (viewer.open || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input:not([type=checkbox]), select");
    if (event.key === "Escape") {
      if (document.body.classList.contains("filtering")) { showFilters(false); toggle.focus(); }
      else if (event.target === search) { search.value = ""; filters.set("text", ""); search.blur(); }
      return;
    }
    if (event.target === search && event.key === "Enter") { if (grid.pictures.length) grid.focusOn(0); return; }
    if (typing || event.target.matches("input") && event.key.startsWith("Arrow")) return;
    if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
    else if (grid.key(event)) event.preventDefault();
  }

  async function start() {
    if (!collection.about) {
      by("count").textContent = "There are no data beside this page. Write them: python -m luigi_tasks gallery";
      return;
    }
    await collection.loadAll();
    collection.pictures.forEach(filters.prepare);
    const counts = new Map();
    for (const picture of collection.pictures) for (const tag of picture.tags || []) counts.set(tag, (counts.get(tag) || 0) + 1);
    const common = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 200);
    by("tags").append(...common.map(([value]) => make("option", { value })));
    filters.start(form, changed);
    grid.start(open);
    viewer.onJump(jump);
    let typed = 0;
    search.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => filters.set("text", search.value.trim()), 120); });
    sort.addEventListener("change", () => filters.set("sort", sort.value));
    toggle.addEventListener("click", () => showFilters(!document.body.classList.contains("filtering")));
    by("theme").addEventListener("click", theme.toggle);
    by("keys").addEventListener("click", () => help.showModal());
    document.addEventListener("keydown", key);
    addEventListener("hashchange", read);
    read();
    document.body.classList.add("ready");
  }
  start();
})();
