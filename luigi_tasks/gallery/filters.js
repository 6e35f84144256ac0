// Which pictures are shown, in which order: the state, its form, and its trace in the address.
"use strict";
const filters = (() => {
  const RATIOS = [["32:9", 32 / 9], ["21:9", 64 / 27], ["16:9", 16 / 9], ["16:10", 1.6], ["3:2", 1.5], ["4:3", 4 / 3],
    ["5:4", 1.25], ["1:1", 1], ["9:16", 9 / 16]];
  const SIZES = [["", "Any"], ["1920x1080", "Full HD or more"], ["2560x1440", "1440p or more"], ["3840x2160", "4K or more"],
    ["5120x2880", "5K or more"], ["7680x4320", "8K or more"]];
  const GROUPS = { source: "Source", query: "Query", purity: "Purity", category: "Category", ratio: "Ratio", color: "Colour" };
  const FLAGS = { duplicates: "Duplicates only", lost: "No longer on the site" };
  const MANY = Object.keys(GROUPS);
  const fresh = () => ({ text: "", sort: "uploaded", size: "", since: "", duplicates: false, lost: false, source: new Set(), query: new Set(),
    purity: new Set(["sfw", "sketchy"]), category: new Set(), ratio: new Set(), color: new Set() });
  let state = fresh(), changed = () => {}, form = null;

  function ratioOf(picture) {
    const value = picture.width / picture.height;
    const near = RATIOS.find(([, ratio]) => Math.abs(value / ratio - 1) < 0.025);
    return near ? near[0] : value > 1 ? "landscape" : "portrait";
  }
  function hue(colour = "#000000") {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
    const most = Math.max(red, green, blue), spread = most - Math.min(red, green, blue);
    if (spread < 0.08) return 10 - most; // greys at the end, by brightness
    if (most === red) return ((green - blue) / spread + 6) % 6;
    return most === green ? (blue - red) / spread + 2 : (red - green) / spread + 4;
  }
  const shuffled = (id) => [...id].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 16777619) >>> 0, 2166136261);
  const ORDERS = {
    uploaded: (p) => p.uploaded, found: (p) => p.found, favorites: (p) => p.favorites, views: (p) => p.views,
    pixels: (p) => p.width * p.height, bytes: (p) => p.bytes, hue: (p) => -p.hue, shuffle: (p) => shuffled(p.id),
  };

  function prepare(picture) {
    picture.ratio = ratioOf(picture);
    picture.hue = hue(picture.colors[0]);
  }
  function facet(picture, group) {
    if (group === "query") return picture.queries.map((number) => collection.about.queries[number].key);
    return group === "color" ? picture.colors : [picture[group] ?? "none"];
  }

  function matches(picture, terms, [width, height], since, but) {
    if (!terms.every((term) => picture.text.includes(term))) return false;
    if (picture.width < width || picture.height < height) return false;
    if (since && picture.found < since) return false;
    if (state.duplicates && !picture.cluster) return false;
    if (state.lost && (picture.state === "active" || picture.state === "re_rated")) return false;
    return MANY.every((group) => group === but || !state[group].size
      || facet(picture, group).some((value) => state[group].has(value)));
  }
  function apply(but = null) {
    const terms = state.text.toLowerCase().split(/[,\s]+/).filter(Boolean);
    const size = state.size ? state.size.split("x").map(Number) : [0, 0];
    const since = state.since ? Date.parse(state.since) / 1000 : 0;
    return collection.pictures.filter((picture) => matches(picture, terms, size, since, but));
  }
  function chosen() {
    const order = ORDERS[state.sort];
    for (const picture of collection.pictures) picture.order = order(picture) ?? -Infinity;
    return apply().sort((one, other) => other.order - one.order || (one.id < other.id ? -1 : 1));
  }

  function toAddress() {
    const normal = fresh(), said = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) {
      if (!(value instanceof Set)) { if (value !== normal[name]) said.set(name, value); }
      else if ([...value].sort().join() !== [...normal[name]].sort().join()) said.set(name, [...value].join(","));
    }
    return said;
  }
  function fromAddress(said) {
    state = fresh();
    for (const [name, value] of said) {
      if (!(name in state)) continue;
      if (state[name] instanceof Set) state[name] = new Set(value.split(",").filter(Boolean));
      else if (typeof state[name] === "boolean") state[name] = value === "true";
      else if (name !== "sort" || value in ORDERS) state[name] = value;
    }
    draw();
  }

  function set(name, value) { state[name] = value; changed(); }
  function toggle(group, value) {
    if (!state[group].delete(value)) state[group].add(value);
    changed();
  }

  function options(group) {
    const counts = new Map();
    for (const picture of collection.pictures)
      for (const value of facet(picture, group)) counts.set(value, (counts.get(value) || 0) + 1);
    const found = [...counts];
    if (group === "ratio") {
      const order = [...RATIOS.map(([name]) => name), "landscape", "portrait"];
      return found.sort((one, other) => order.indexOf(one[0]) - order.indexOf(other[0]));
    }
    if (group === "purity") return ["sfw", "sketchy", "nsfw"].map((name) => [name, counts.get(name) || 0]);
    if (group === "color") return found.sort((one, other) => other[1] - one[1]).slice(0, 30).sort((one, other) => hue(one[0]) - hue(other[0]));
    return found.sort((one, other) => other[1] - one[1]);
  }
  function choice(group, value, count) {
    const text = group === "query" ? collection.about.queries.find((query) => query.key === value).text || "everything" : value;
    const input = make("input", { type: "checkbox", checked: state[group].has(value), value, name: group,
      onchange: () => toggle(group, value) });
    if (group !== "color") return make("label", { class: "choice" }, input, make("span", {}, text), make("small", {}, words.number(count)));
    input.setAttribute("aria-label", `colour ${value}, ${count} pictures`);
    const swatch = make("label", { class: "swatch", title: `${value} · ${words.number(count)}` }, input);
    swatch.style.setProperty("--colour", value);
    return swatch;
  }
  function draw() {
    if (!form) return;
    const groups = MANY.filter((group) => !["source", "query"].includes(group) || options(group).length > 1).map((group) =>
      make("fieldset", { class: group }, make("legend", {}, GROUPS[group]),
        make("div", {}, ...options(group).map(([value, count]) => choice(group, value, count)))));
    const size = make("select", { name: "size", onchange: () => set("size", size.value) },
      ...SIZES.map(([value, text]) => make("option", { value }, text)));
    size.value = state.size;
    const since = make("input", { type: "date", name: "since", value: state.since, onchange: () => set("since", since.value) });
    const flags = Object.entries(FLAGS).map(([name, text]) => {
      const input = make("input", { type: "checkbox", name, checked: state[name], onchange: () => set(name, input.checked) });
      return make("label", { class: "choice" }, input, make("span", {}, text));
    });
    form.replaceChildren(...groups.slice(0, -1),
      make("label", { class: "field" }, make("span", {}, "Resolution"), size),
      make("label", { class: "field" }, make("span", {}, "New since"), since),
      make("fieldset", {}, make("legend", {}, "Only"), make("div", {}, ...flags)), ...groups.slice(-1));
  }
  function summary() {
    const normal = fresh(), chips = [];
    const add = (text, off) => chips.push(make("button", { class: "chip", "aria-label": `Remove filter ${text}`,
      onclick: () => { off(); draw(); changed(); } }, text, make("span", { "aria-hidden": "true" }, " ×")));
    for (const group of MANY) {
      const usual = [...state[group]].sort().join() === [...normal[group]].sort().join();
      if (!usual) add(`${GROUPS[group]}: ${[...state[group]].join(", ") || "any"}`, () => { state[group] = normal[group]; });
    }
    if (state.text) add(`“${state.text}”`, () => { state.text = ""; document.getElementById("search").value = ""; });
    if (state.size) add(`≥ ${state.size}`, () => { state.size = ""; });
    if (state.since) add(`since ${state.since}`, () => { state.since = ""; });
    for (const name of Object.keys(FLAGS)) if (state[name]) add(FLAGS[name], () => { state[name] = false; });
    return chips;
  }
  return {
    prepare, chosen, set, toAddress, fromAddress, summary, draw,
    get state() { return state; },
    reset() { state = fresh(); draw(); changed(); },
    start(element, onChange) { form = element; changed = onChange; draw(); },
  };
})();
