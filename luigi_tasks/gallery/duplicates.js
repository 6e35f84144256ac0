// Near duplicates side by side; a person says same or different, and takes the seed of verdicts away as CSV.
"use strict";
(() => {
  const by = (id) => document.getElementById(id), STORE = "gallery.verdicts";
  const key = (one, other) => [one, other].sort().join(" ");
  let pairs = [], queue = [], at = 0, made = {}, earlier = {};

  const verdictOf = (pair) => made[pair.key] || earlier[pair.key];
  function select() {
    queue = pairs.filter((pair) => (by("nsfw").checked || !pair.nsfw) && (by("decided").checked || !verdictOf(pair)));
  }
  function fill() {
    at = Math.min(Math.max(at, 0), Math.max(queue.length - 1, 0));
    draw();
  }
  function choose() {
    const here = queue[at];
    select();
    at = queue.indexOf(here);
    fill();
  }
  function draw() {
    const pair = queue[at], open = pairs.filter((one) => !verdictOf(one)).length, here = Object.keys(made).length;
    by("progress").textContent = `${words.number(open)} of ${words.number(pairs.length)} pairs to decide`;
    by("export").disabled = !here;
    by("export").textContent = here ? `Export verdicts (${here} new)` : "Export verdicts";
    by("verdict").hidden = !pair;
    if (!pair) {
      by("pair").replaceChildren(make("p", { class: "empty" }, pairs.length ? "Nothing left to decide here." : "There are no near duplicates."));
      return;
    }
    const [left, right] = [collection.byId.get(pair.a), collection.byId.get(pair.b)];
    const verdict = verdictOf(pair)?.verdict;
    by("pair").replaceChildren(side(left, right), make("p", { class: "between" },
      `Pair ${at + 1} of ${queue.length}`, make("b", {}, `${pair.kind}, ${words.apart(pair.distance)}`), verdict ? make("b", { class: "said" }, verdict) : ""), side(right, left));
    for (const name of ["same", "different"]) by(name).setAttribute("aria-pressed", String(verdict === name));
  }
  function side(picture, other) {
    const more = (name, text, value = picture[name], against = other[name]) =>
      make("div", { class: value > against ? "more" : "" }, make("dt", {}, text[0]), make("dd", {}, text[1]));
    const image = make("img", { src: collection.url(picture.small), alt: `${picture.id}: ${(picture.tags || []).slice(0, 6).join(", ")}` });
    image.width = picture.width;
    image.height = picture.height;
    collection.loadDetail(picture).then((facts) => { image.src = collection.url(facts.large); });
    return make("figure", {}, make("a", { href: `index.html#id=${picture.id}` }, image),
      make("figcaption", {}, make("h2", {}, picture.id, picture.canonical ? make("span", { class: "badge" }, "kept as the canonical one") : ""),
        make("dl", {}, more("", ["Pixels", words.size(picture)], picture.width * picture.height, other.width * other.height),
          more("bytes", ["File", words.bytes(picture.bytes)]), more("favorites", ["Favourites", words.number(picture.favorites)]),
          make("div", {}, make("dt", {}, "Uploaded"), make("dd", {}, words.date(picture.uploaded))),
          make("div", {}, make("dt", {}, "Purity"), make("dd", {}, picture.purity)),
          make("div", {}, make("dt", {}, "Tags"), make("dd", {}, (picture.tags || []).join(", ") || "unknown")))));
  }
  function say(verdict) {
    const pair = queue[at];
    if (!pair) return;
    const [sha256_a, sha256_b] = pair.key.split(" ");
    made[pair.key] = { sha256_a, sha256_b, verdict, decided_at: new Date().toISOString().slice(0, 19) + "Z" };
    theme.stored.set(STORE, JSON.stringify(made));
    at += by("decided").checked ? 1 : 0;
    select();
    fill();
  }
  function csv() {
    const rows = Object.values({ ...earlier, ...made }).sort((one, other) => (key(one.sha256_a, one.sha256_b) < key(other.sha256_a, other.sha256_b) ? -1 : 1));
    return ["sha256_a,sha256_b,verdict,decided_at", ...rows.map((row) => [row.sha256_a, row.sha256_b, row.verdict, row.decided_at].join(","))].join("\n") + "\n";
  }
  function save() {
    const link = make("a", { href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })), download: "duplicate_verdicts.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  function step(places) { at += places; fill(); }
  const KEYS = { s: () => say("same"), d: () => say("different"), ArrowRight: () => step(1), ArrowLeft: () => step(-1), t: () => theme.toggle() };

  async function start() {
    by("theme").addEventListener("click", theme.toggle);
    if (!collection.about) { by("progress").textContent = "There are no data beside this page. Write them: python -m luigi_tasks gallery"; return; }
    const [review] = await Promise.all([collection.loadReview(), collection.loadAll()]);
    const there = review.pairs.filter((pair) => collection.byId.has(pair.a) && collection.byId.has(pair.b));
    pairs = there.map((pair) => ({ ...pair, key: key(pair.sha256_a, pair.sha256_b),
      nsfw: [pair.a, pair.b].some((id) => collection.byId.get(id).purity === "nsfw") }));
    earlier = Object.fromEntries(review.verdicts.map((row) => [key(row.sha256_a, row.sha256_b), row]));
    // what was committed since is not overruled by what this browser remembers from before
    made = Object.fromEntries(Object.entries(JSON.parse(theme.stored.get(STORE) || "{}"))
      .filter(([name, row]) => !(earlier[name]?.decided_at >= row.decided_at)));
    for (const name of ["nsfw", "decided"]) by(name).addEventListener("change", choose);
    for (const name of ["same", "different"]) by(name).addEventListener("click", () => say(name));
    by("previous").addEventListener("click", () => step(-1));
    by("next").addEventListener("click", () => step(1));
    by("export").addEventListener("click", save);
    document.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      KEYS[event.key]();
    });
    select();
    fill();
  }
  start();
})();
