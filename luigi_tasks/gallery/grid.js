// The wall of pictures: rows of equal height that fill the width; only those near the window exist in the page.
"use strict";
const grid = (() => {
  const GAP = 6, ABOVE_AND_BELOW = 600;
  const wall = document.getElementById("grid");
  const shown = new Map();
  let pictures = [], rows = [], places = [], current = 0, open = () => {}, width = 0;

  function layout() {
    width = wall.clientWidth;
    const target = width < 600 ? 130 : width < 1100 ? 190 : 225;
    rows = [];
    places = new Array(pictures.length);
    let top = 0, first = 0, sum = 0;
    for (let at = 0; at < pictures.length; at += 1) {
      sum += shape(pictures[at]);
      const gaps = (at - first) * GAP, last = at === pictures.length - 1;
      if (sum * target + gaps < width && !last) continue;
      const height = Math.min((width - gaps) / sum, target * 1.35);
      top = place(first, at, top, height);
      first = at + 1;
      sum = 0;
    }
    wall.style.height = `${top}px`;
  }
  const shape = (picture) => Math.min(Math.max(picture.width / picture.height, 0.5), 3.6);
  function place(first, last, top, height) {
    let left = 0;
    for (let at = first; at <= last; at += 1) {
      const wide = shape(pictures[at]) * height;
      places[at] = { left, top, width: wide, height, row: rows.length };
      left += wide + GAP;
    }
    rows.push({ first, last, top, bottom: top + height });
    return top + height + GAP;
  }

  function rowAt(y) {
    let low = 0, high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].bottom < y) low = middle + 1; else high = middle;
    }
    return low;
  }
  function draw() {
    if (!rows.length) { clear(); return; }
    const y = scrollY - wall.offsetTop;
    const first = rows[rowAt(y - ABOVE_AND_BELOW)].first, last = rows[rowAt(y + innerHeight + ABOVE_AND_BELOW)].last;
    for (const [at, element] of shown) if (at < first || at > last) { element.remove(); shown.delete(at); }
    for (let at = first; at <= last; at += 1) if (!shown.has(at)) add(at);
  }
  function add(at) {
    const picture = pictures[at], place = places[at];
    const image = make("img", { alt: "", decoding: "async", draggable: false });
    image.addEventListener("error", () => image.remove());
    image.src = collection.url(picture.small);
    const link = make("a", { href: words.address(picture), class: "tile", tabIndex: at === current ? 0 : -1,
      "aria-label": label(picture), onclick: (event) => { event.preventDefault(); focusOn(at); open(at); } },
    image, make("span", { class: "caption", "aria-hidden": "true" }, make("b", {}, words.size(picture)),
      make("span", {}, picture.title || `♥ ${words.number(picture.favorites)}`)), badges(picture));
    link.style.background = picture.colors[0] || "";
    const item = make("div", { class: "item", role: "listitem", "aria-setsize": pictures.length, "aria-posinset": at + 1 }, link);
    Object.assign(item.style, { left: `${place.left}px`, top: `${place.top}px`, width: `${place.width}px`, height: `${place.height}px` });
    shown.set(at, item);
    let after = null;
    for (const child of wall.children) if (Number(child.getAttribute("aria-posinset")) > at + 1) { after = child; break; }
    wall.insertBefore(item, after);
  }
  function label(picture) {
    const tags = (picture.tags || []).slice(0, 6).join(", ");
    return `${words.name(picture)}, ${picture.width} by ${picture.height}, ${picture.purity}${tags ? `, ${tags}` : ""}`;
  }
  function badges(picture) {
    const list = [];
    if (picture.purity !== "sfw") list.push(make("span", { class: `badge ${picture.purity}` }, picture.purity));
    if (picture.cluster) list.push(make("span", { class: "badge" }, "≈"));
    if (!["active", "re_rated"].includes(picture.state)) list.push(make("span", { class: "badge lost" }, picture.state));
    return list.length ? make("span", { class: "badges", "aria-hidden": "true" }, ...list) : null;
  }
  function clear() {
    for (const element of shown.values()) element.remove();
    shown.clear();
  }

  function focusOn(at) {
    const before = shown.get(current);
    if (before) before.firstChild.tabIndex = -1;
    current = Math.min(Math.max(at, 0), pictures.length - 1);
    const place = places[current], top = wall.offsetTop + place.top, bar = 70;
    if (top < scrollY + bar) scrollTo(0, top - bar);
    else if (top + place.height > scrollY + innerHeight) scrollTo(0, top + place.height - innerHeight + 16);
    draw();
    const link = shown.get(current).firstChild;
    link.tabIndex = 0;
    link.focus({ preventScroll: true });
  }
  function beside(step) {
    const place = places[current], row = rows[place.row + step];
    if (!row) return current;
    const middle = place.left + place.width / 2;
    let at = row.first;
    while (at < row.last && places[at].left + places[at].width < middle) at += 1;
    return at;
  }
  const MOVES = { ArrowRight: () => current + 1, ArrowLeft: () => current - 1, ArrowDown: () => beside(1),
    ArrowUp: () => beside(-1), Home: () => 0, End: () => pictures.length - 1 };

  return {
    show(list) {
      pictures = list;
      current = 0;
      clear();
      // an empty list role is a lie to a screen reader
      if (list.length) wall.setAttribute("role", "list"); else wall.removeAttribute("role");
      layout();
      draw();
    },
    key(event) {
      const move = MOVES[event.key];
      if (!move || !pictures.length) return false;
      focusOn(document.activeElement?.classList.contains("tile") || ["Home", "End"].includes(event.key) ? move() : current);
      return true;
    },
    focusOn, tile: (at) => shown.get(at)?.querySelector("img"),
    start(onOpen) {
      open = onOpen;
      let planned = false;
      addEventListener("scroll", () => {
        if (planned) return;
        planned = true;
        requestAnimationFrame(() => { planned = false; draw(); });
      }, { passive: true });
      new ResizeObserver(() => { if (wall.clientWidth !== width) { clear(); layout(); draw(); } }).observe(wall);
    },
    get pictures() { return pictures; },
  };
})();
