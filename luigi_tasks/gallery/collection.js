// What there is: the parts under data/ call collection.index, list, detail, duplicates. A page from file:// may not
// fetch, but it may add scripts.
"use strict";
const collection = (() => {
  const pictures = [], byId = new Map(), waiting = new Map();
  let about = null;

  // A script or a style sheet, once; first in the head, so that ours has the last word.
  function fetched(path) {
    if (!waiting.has(path)) {
      waiting.set(path, new Promise((done, failed) => {
        const part = path.endsWith(".css") ? make("link", { rel: "stylesheet", href: path }) : make("script", { src: path });
        part.onload = done;
        part.onerror = () => { waiting.delete(path); failed(new Error(`${path} is missing`)); };
        document.head.prepend(part);
      }));
    }
    return waiting.get(path);
  }
  const load = (name) => fetched(`data/${name}`);

  function index(content) { about = content; }

  function list(_number, rows) {
    for (const row of rows) {
      const picture = Object.fromEntries(about.columns.map((name, at) => [name, row[at]]));
      picture.colors ||= [];
      picture.text = [picture.id, picture.title || "", picture.uploader || "", picture.category || "", ...(picture.tags || [])].join("\n").toLowerCase();
      pictures.push(picture);
      byId.set(picture.id, picture);
    }
  }

  const details = new Map();
  function detail(_number, rows) { for (const [id, facts] of Object.entries(rows)) details.set(id, facts); }
  let review = null;
  function duplicates(_number, content) { review = content; }

  return {
    index, list, detail, duplicates, pictures, byId, fetched,
    get about() { return about; },
    url: (key) => about.base + key,
    loadAll: () => Promise.all(about.lists.map(load)),
    async loadDetail(picture) { await load(about.details[picture.part]); return details.get(picture.id); },
    async loadReview() { await load(about.duplicates); return review; },
  };
})();

const words = {
  number: (value) => (value ?? 0).toLocaleString("en"),
  bytes(value) {
    if (value < 1024) return `${value} B`;
    const unit = Math.min(Math.floor(Math.log2(value) / 10), 4);
    return `${(value / 1024 ** unit).toFixed(unit > 1 ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
  },
  date: (seconds) => (seconds ? new Date(seconds * 1000).toISOString().slice(0, 10) : "unknown"),
  time: (text) => (text ? String(text).slice(0, 16).replace("T", " ") : "now"),
  size: (picture) => `${picture.width} × ${picture.height}`,
  apart: (bits) => (bits === null ? "never measured" : `${bits} of 64 bits differ`),
  name: (picture) => picture.title || picture.id,
  address: (picture) => `#${new URLSearchParams({ id: picture.id })}`,
};

// An element; text is text, never markup: tags and names come from strangers.
function make(name, facts = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key in element && key !== "list") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}
