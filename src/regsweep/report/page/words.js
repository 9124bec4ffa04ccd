// How things are said, and how what is said gets onto the page: as text alone, whatever a name holds.

const byId = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined).map((child) =>
    child instanceof Node ? child : document.createTextNode(String(child))));
  return made;
}

// As reports on a terminal say it: of what lies in the middle they take the even one.
const tenths = (count) => (count % 1 === 0.25 ? count - 0.05 : count).toFixed(1);

function size(bytes) {
  let count = bytes;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (Number(tenths(count)) < 1000) return (unit === "B" ? count.toFixed(0) : tenths(count)) + "\u00a0" + unit;
    count /= 1000;
  }
  return tenths(count) + "\u00a0PB";
}

const number = (count) => count.toString().replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (count, one, many) => number(count) + " " + (count === 1 ? one : many || one + "s");

function percent(part, whole) {
  if (!whole || !part) return "0\u00a0%";
  const share = (100 * part) / whole;
  if (share < 1) return "under 1\u00a0%";
  return (share >= 99 && part < whole ? Math.floor(share) : Math.round(share)) + "\u00a0%";
}

function cut(text, most) {
  return text.length <= most ? text : text.slice(0, Math.ceil(most / 2) - 1) + "…" + text.slice(-Math.floor(most / 2));
}

// The head of a table: each column is [title, class].
const heads = (into, columns) =>
  into.replaceChildren(el("tr", {}, ...columns.map(([title, kind]) => el("th", { class: kind, scope: "col" }, title))));
