// What there is: the parts under data/ call collection.index, list, detail, duplicates. A page from file:// may not
// fetch, but it may add scripts.
"use strict";
const collection = (() => {
  const pictures = [], byId = new Map(), waiting = new Map();
  let about = null;

  function load(name) {
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = `data/${name}`;
        script.onload = done;
        script.onerror = () => { waiting.delete(name); failed(new Error(`data/${name} is missing`)); };
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  }

  function index(content) { about = content; }

  function list(_number, rows) {
    for (const row of rows) {
      const picture = Object.fromEntries(about.columns.map((name, at) => [name, row[at]]));
      picture.colors ||= [];
      picture.text = [picture.id, picture.uploader || "", picture.category, ...(picture.tags || [])].join("\n").toLowerCase();
      pictures.push(picture);
      byId.set(picture.id, picture);
    }
  }

  const details = new Map();
  function detail(_number, rows) { for (const [id, facts] of Object.entries(rows)) details.set(id, facts); }
  let review = null;
  function duplicates(_number, content) { review = content; }

  return {
    index, list, detail, duplicates, pictures, byId,
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
