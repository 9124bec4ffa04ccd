// The repositories: sorted, filtered, a page of them at a time; each opens to its tags.

const PAGE = 50;
// Paper has no next page to press for; of very many repositories the first are enough to read.
const PRINTED = 1000;
const COLUMNS = [
  { key: "name", title: "Repository", kind: "text" },
  { key: "tags", title: "Tags", kind: "wide" },
  { key: "tags_condemned", title: "go", kind: "wide" },
  { key: "revisions", title: "Manifests", kind: "wide" },
  { key: "revisions_condemned", title: "go", kind: "wide" },
  { key: "pushed_bytes", title: "As pushed", kind: "wide", format: size },
  { key: "exclusive_bytes", title: "Not shared", format: size },
  { key: "freed_bytes", title: "Comes free", format: size },
  { key: "share", title: "Share", kind: "wide", cell: (one) => (one.exclusive_bytes ? percent(one.freed_bytes, one.exclusive_bytes) : "") },
  { key: "pushed", title: "Last push", kind: "wide", format: (day) => day },
];
const SHOWN = {
  all: () => true,
  frees: (one) => one.freed_bytes > 0,
  tags: (one) => one.tags_condemned > 0,
  frozen: (one) => one.frozen,
  gone: (one) => one.gone,
};
const state = { key: "freed_bytes", descending: true, page: 0, open: new Set(), found: [] };
const byName = (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);

function find(data) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const shown = SHOWN[byId("show").value];
  state.found = data.repositories.filter((one) => shown(one) && one.name.toLowerCase().includes(wanted));
  const turn = state.descending ? -1 : 1;
  state.found.sort((one, other) =>
    state.key === "name" ? turn * byName(one, other)
      : turn * (one[state.key] < other[state.key] ? -1 : one[state.key] > other[state.key] ? 1 : 0) || byName(one, other));
}

function show(data, onPaper = false) {
  const pages = Math.max(1, Math.ceil(state.found.length / PAGE));
  state.page = Math.min(state.page, pages - 1);
  const rows = [];
  for (const one of onPaper ? state.found.slice(0, PRINTED) : state.found.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
    rows.push(row(data, one));
    if (state.open.has(one)) rows.push(detail(data, one));
  }
  byId("rows").replaceChildren(...rows);
  byId("count").textContent = state.found.length === data.repositories.length
    ? plural(state.found.length, "repository", "repositories")
    : number(state.found.length) + " of " + plural(data.repositories.length, "repository", "repositories");
  const rest = state.found.length - PRINTED;
  byId("page").textContent = onPaper ? "and " + plural(rest, "more repository", "more repositories")
    : "Page " + number(state.page + 1) + " of " + number(pages);
  byId("pager").hidden = onPaper ? rest <= 0 : pages === 1;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page === pages - 1;
  for (const head of byId("heads").querySelectorAll("th")) {
    head.setAttribute("aria-sort", head.dataset.key !== state.key ? "none" : state.descending ? "descending" : "ascending");
  }
}

function row(data, one) {
  const name = el("button", { type: "button", class: "name", "aria-expanded": String(state.open.has(one)) }, one.name);
  name.addEventListener("click", () => {
    if (!state.open.delete(one)) state.open.add(one);
    show(data);
    byId("rows").querySelectorAll(".name").forEach((button) => button.textContent === one.name && button.focus());
  });
  const marks = [one.frozen && "frozen", one.gone && "goes"].filter(Boolean)
    .map((word) => el("span", { class: word === "goes" ? "mark goes" : "mark" }, word));
  return el("tr", {}, ...COLUMNS.map((column) => {
    if (column.key === "name") return el("td", { class: "text" }, name, ...marks.flatMap((mark) => [" ", mark]));
    const value = column.cell ? column.cell(one) : (column.format || number)(one[column.key]);
    return el("td", { class: column.kind }, value);
  }));
}

function detail(data, one) {
  const parts = [el("p", { class: "quiet" },
    plural(one.tags, "tag") + ", of which " + number(one.tags_condemned) + " go; " +
    plural(one.revisions, "manifest") + ", of which " + number(one.revisions_condemned) + " go; " +
    size(one.pushed_bytes) + " as pushed, " + size(one.exclusive_bytes) + " not shared, " +
    size(one.freed_bytes) + " comes free" + (one.pushed ? "; last push " + one.pushed : ""))];
  if (one.frozen) parts.push(el("p", {}, "Frozen: nothing of it is deleted, for it cannot be fully understood. The findings say why."));
  if (one.shown.length) {
    const body = el("tbody", {}, ...one.shown.map(([tag, digest, pushed, goes, reason]) => el("tr", {},
      el("td", { class: "text" }, tag),
      el("td", {}, pushed),
      el("td", { class: "wide" }, el("code", {}, digest)),
      el("td", { class: "text" }, el("span", { class: goes ? "mark goes" : "mark" }, goes ? "goes" : "stays"), " ", goes ? data.words[reason] || reason : reason))));
    const head = el("thead", {});
    heads(head, [["Tag", "text"], ["Pushed", ""], ["Digest", "wide"], ["What becomes of it", "text"]]);
    parts.push(el("table", { class: "tags" }, head, body));
  }
  const rest = one.tags - one.shown.length;
  if (rest > 0) parts.push(el("p", { class: "quiet" }, one.shown.length ? "and " + plural(rest, "more tag") + "; regsweep ls lists all" : "regsweep ls lists its tags"));
  return el("tr", { class: "detail" }, el("td", { colspan: COLUMNS.length }, ...parts));
}

function repositoriesTable(data) {
  const again = () => {
    find(data);
    show(data);
  };
  byId("heads").replaceChildren(el("tr", {}, ...COLUMNS.map((column) => {
    const button = el("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      state.descending = state.key === column.key ? !state.descending : column.key !== "name";
      state.key = column.key;
      state.page = 0;
      again();
    });
    return el("th", { class: column.kind, scope: "col", "data-key": column.key }, button);
  })));
  for (const [id, event] of [["filter", "input"], ["show", "change"]]) {
    byId(id).addEventListener(event, () => {
      state.page = 0;
      again();
    });
  }
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    byId(id).addEventListener("click", () => {
      state.page += step;
      show(data);
    });
  }
  addEventListener("beforeprint", () => show(data, true));
  addEventListener("afterprint", () => show(data));
  again();
  return (name) => {
    byId("filter").value = name;
    byId("show").value = "all";
    data.repositories.forEach((one) => one.name === name && state.open.add(one));
    state.page = 0;
    again();
    byId("repositories").scrollIntoView();
  };
}
