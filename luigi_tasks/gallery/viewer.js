// The full view: PhotoSwipe shows, zooms and swipes; beside it everything that is known of the picture.
"use strict";
const viewer = (() => {
  let shown = null, panel = null, opening = false, open = theme.stored.get("gallery.details") !== "closed";
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const wide = () => innerWidth >= 900;

  function slide(picture) {
    const originals = collection.about.base !== "pictures/";
    const known = picture.large ? collection.url(picture.large) : collection.url(picture.small);
    const data = { src: known, msrc: collection.url(picture.small), width: picture.width, height: picture.height,
      alt: `${words.name(picture)}: ${(picture.tags || []).slice(0, 8).join(", ") || picture.category}` };
    if (originals && picture.original) data.srcset = `${known} 1280w, ${collection.url(picture.original)} ${Math.max(picture.width, 1281)}w`;
    return data;
  }

  function start(at, closed) {
    const pictures = grid.pictures, ready = pictures[at];
    if (shown || opening) return null;
    opening = true;
    // PhotoSwipe is more than the rest of the page; who only looks at the wall does not wait for it
    const parts = [collection.loadDetail(ready), ...["photoswipe.umd.min.js", "photoswipe.css"].map(collection.fetched)];
    return Promise.all(parts).finally(() => { opening = false; }).then(([facts]) => {
      remember(ready, facts);
      shown = new PhotoSwipe({
        index: at, loop: false, bgOpacity: 1, wheelToZoom: true, showHideAnimationType: calm() ? "none" : "fade", preload: [1, 2],
        mainClass: "viewer", zoomTitle: "Zoom (z)", closeTitle: "Close (Esc)", arrowPrevTitle: "Previous", arrowNextTitle: "Next",
        paddingFn: () => (open && wide() ? { top: 50, bottom: 16, left: 16, right: 396 } : { top: 50, bottom: open ? innerHeight * 0.52 + 12 : 16, left: 8, right: 8 }),
      });
      shown.addFilter("numItems", () => pictures.length);
      shown.addFilter("itemData", (_data, number) => slide(pictures[number]));
      shown.on("uiRegister", () => register(shown));
      shown.on("change", () => fill(pictures[shown.currIndex]));
      shown.on("keydown", ({ originalEvent: event }) => {
        if (event.key === "i" && !event.ctrlKey && !event.metaKey) toggle();
      });
      shown.on("destroy", () => { const last = shown.currIndex; shown = panel = null; closed(last); });
      shown.init();
    });
  }
  function remember(picture, facts) { picture.large = facts.large; picture.original = facts.original; }

  function register(view) {
    view.ui.registerElement({ name: "details-button", order: 8, isButton: true, title: "Facts (i)", ariaLabel: "Facts", html: "i", onClick: toggle });
    view.ui.registerElement({ name: "details", appendTo: "root", tagName: "aside", onInit(element) {
      panel = element;
      view.element.setAttribute("aria-label", "Full view");
      element.tabIndex = 0;
      element.setAttribute("aria-label", "Facts of the picture");
      for (const kind of ["wheel", "pointerdown", "touchstart", "touchmove", "click"])
        element.addEventListener(kind, (event) => event.stopPropagation(), { passive: true });
      dress();
    } });
  }
  function toggle() {
    open = !open;
    theme.stored.set("gallery.details", open ? "open" : "closed");
    dress();
    shown.updateSize(true);
  }
  function dress() { panel.hidden = !open; shown.element.classList.toggle("with-details", open); }

  async function fill(picture) {
    history.replaceState(null, "", `#${new URLSearchParams([...filters.toAddress(), ["id", picture.id]])}`);
    const view = shown, facts = await collection.loadDetail(picture);
    remember(picture, facts);
    for (const near of [shown?.currIndex - 1, shown?.currIndex + 1]) {
      const other = grid.pictures[near];
      if (other && !other.large) collection.loadDetail(other).then((found) => remember(other, found));
    }
    if (shown !== view || grid.pictures[view.currIndex] !== picture || !panel) return;
    panel.replaceChildren(...content(picture, facts));
    panel.scrollTop = 0;
  }

  const outside = (href, text) => (/^https?:\/\//.test(href) ? make("a", { href, target: "_blank", rel: "noreferrer noopener" }, text) : text);
  const section = (title, ...children) => make("section", {}, make("h3", {}, title), ...children);
  const table = (rows) => make("dl", {}, ...rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  function search(tag) { shown.close(); document.getElementById("search").value = tag; filters.set("text", tag); }

  function content(picture, facts) {
    const tags = picture.tags || [];
    const parts = [
      make("h2", {}, words.name(picture), " ", make("small", {}, words.size(picture))),
      section("Tags", tags.length ? make("p", { class: "tags" }, ...tags.map((tag) => make("button", { class: "chip", onclick: () => search(tag) }, tag)))
        : make("p", {}, picture.source === "wallhaven" ? "not fetched yet" : "none")),
      section("Facts", table(fields(picture, facts))),
    ];
    if (facts.near) parts.push(section("Near duplicates", make("div", { class: "near" }, ...facts.near.map(near))));
    const past = story(facts);
    if (past.length) parts.push(section("History", make("ol", { class: "history" }, ...past)));
    return [...parts, origin(picture, facts)];
  }
  const TITLES = { url: "Page", short_url: "Short", image_url: "Image address", ratio: "Ratio", category: "Category", purity: "Purity",
    file_type: "Type", source: "Source", uploaded_at: "Uploaded", uploader: "Uploader", views: "Views", favorites: "Favourites",
    upload_status: "Status", first_seen_at: "First seen", last_seen_at: "Last seen", updated_at: "Changed",
    metrics_updated_at: "Counts changed", details_fetched_at: "Details of", first_run_key: "First run", run_key: "Latest run",
    page_name: "Latest page", id: "Product", gender: "Gender", master_category: "Category", sub_category: "Sub-category",
    article_type: "Article type", base_colour: "Base colour", season: "Season", season_year: "Year", usage: "Usage", exif: "EXIF", s3_key: "Object", sha256: "SHA-256" };
  function fields(picture, facts) {
    const rows = [["Size", words.bytes(picture.bytes)], ["Site", picture.source === "wallhaven" ? picture.state.replace("_", "-") : picture.source],
      ["Colours", make("span", { class: "colours" }, ...picture.colors.map((colour) => {
        const dot = make("i", { title: colour });
        dot.style.background = colour;
        return dot;
      }))]];
    for (const [name, title] of Object.entries(TITLES)) {
      const known = facts.fields[name];
      if (known === null || known === undefined) continue;
      const value = typeof known === "object" ? Object.entries(known).map((one) => one.join(": ")).join(", ") || "none" : known;
      rows.push([title, name.endsWith("_at") ? words.time(value) : typeof value === "number" ? words.number(value) : outside(String(value), String(value))]);
    }
    if (collection.about.base !== "pictures/" && facts.original)
      rows.splice(1, 0, ["Original", make("a", { href: collection.url(facts.original), target: "_blank", rel: "noreferrer" }, "open the file")]);
    return rows;
  }
  function near([id, distance, kind]) {
    const other = collection.byId.get(id), text = `${id} · ${kind} · ${words.apart(distance)}`;
    if (!other) return make("span", {}, text);
    const hidden = other.purity === "nsfw" && !filters.state.purity.has("nsfw");
    return make("a", { href: words.address(other), onclick: (event) => { event.preventDefault(); shown.close(); jump(id); } },
      hidden ? make("span", {}, "nsfw") : make("img", { src: collection.url(other.small), alt: "" }), make("span", {}, `${text} · ${words.size(other)}`));
  }
  const COMPARED = { purity: "Purity", category: "Category", resolution: "Resolution", file_size: "File size", source: "Source", colors: "Colours" };
  function story(facts) {
    const events = [];
    (facts.versions || []).forEach((version, at, all) => {
      const before = all[at - 1];
      const changes = before ? Object.keys(COMPARED).filter((name) => String(version[name]) !== String(before[name]))
        .map((name) => `${COMPARED[name]}: ${before[name] ?? "none"} → ${version[name] ?? "none"}`) : ["first seen"];
      events.push([version.from, `Version ${version.number}: ${changes.join("; ") || "other fields changed"}`]);
    });
    for (const attempt of facts.attempts || [])
      events.push([attempt.at, `Download ${attempt.attempt}: ${attempt.outcome}${attempt.reason ? `, ${attempt.reason}` : ""}`]);
    for (const life of facts.life || [])
      if (life.state !== "active" || life !== facts.life[0]) events.push([life.from, `On the site: ${life.state.replace("_", "-")}${life.reason ? `, ${life.reason}` : ""}`]);
    return events.sort((one, other) => (one[0] < other[0] ? -1 : 1))
      .map(([when, what]) => make("li", {}, make("time", { dateTime: when }, words.time(when)), what));
  }
  function origin(picture, facts) {
    const from = facts.origin;
    if (!from) return section("Where it comes from", make("p", {}, "unknown: the raw page is not here"));
    if (from.dataset) return section("Where it comes from", table([["Dataset", from.dataset], ["File", from.file],
      ["Link", from.link && outside(from.link, from.link)], ["Run", from.run]]));
    const asked = new URLSearchParams(from.request.params || {}).toString();
    return section("Where it comes from", table([
      ["Record", `version ${from.version}, position ${from.position} of its page`], ["Page", from.page], ["Page's SHA-256", from.page_sha256],
      ["Request", `${from.request.method || "GET"} ${from.address}${from.request.path || ""}${asked ? `?${asked}` : ""}`],
      ["Run", `${from.run} ${from.run_state}`], ["Code", from.code], ["Settings", from.settings]]),
    make("code", {}, `python -m luigi_tasks explain ${picture.id}`));
  }

  let jump = () => {};
  return { start, get open() { return Boolean(shown); }, onJump(to) { jump = to; } };
})();
