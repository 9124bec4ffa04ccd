// Opens what the page carries, and puts it where it belongs.

async function unpacked() {
  const packed = Uint8Array.from(atob(JSON.parse(byId("data").textContent).deflated), (one) => one.charCodeAt(0));
  const opened = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(opened).text());
  const columns = Object.entries(data.repositories);
  data.repositories = data.repositories.name.map((_, at) => {
    const one = Object.fromEntries(columns.map(([name, values]) => [name, values[at]]));
    one.share = one.exclusive_bytes ? one.freed_bytes / one.exclusive_bytes : 0;
    return one;
  });
  return data;
}

function largestTable(data) {
  heads(byId("largest-heads"), [["Blob", "text"], ["Size", ""], ["Written", "wide"], ["What becomes of it", "text fate"], ["Who links it", "text"]]);
  byId("largest-rows").replaceChildren(...data.largest.map((one) => {
    const digest = one.digest.slice(0, one.digest.indexOf(":") + 13);
    const more = one.owners - one.repositories.length;
    return el("tr", {},
      el("td", { class: "text" }, el("code", { title: one.digest }, digest)),
      el("td", {}, size(one.bytes)),
      el("td", { class: "wide" }, one.modified),
      el("td", { class: "text fate" }, el("span", { class: one.reason ? "mark goes" : "mark" }, one.reason ? "goes" : "stays"),
        el("span", { class: "wide" }, " ", data.words[one.reason] || "")),
      el("td", { class: "text" }, one.owners ? one.repositories.join(", ") + (more > 0 ? " and " + number(more) + " more" : "") : "nobody"));
  }));
}

function findingsList(data) {
  const into = byId("findings-list");
  if (!data.findings.length) into.append(el("p", {}, "None: all that is stored is as a registry writes it."));
  for (const { title, advice, items, count } of data.findings) {
    const list = el("ul", { class: "findings" });
    const add = (to) => list.append(...items.slice(list.childElementCount, to).map((item) => el("li", {},
      ...(item.where ? [el("code", {}, item.where), ": "] : []), item.message + (item.count > 1 ? " (" + number(item.count) + " such keys)" : ""))));
    add(10);
    into.append(el("h3", {}, title + (count > 1 ? " (" + number(count) + ")" : "")), ...(advice ? [el("p", {}, advice)] : []), list);
    if (items.length > 10) {
      const more = el("button", { type: "button" }, "Show the other " + number(items.length - 10));
      more.addEventListener("click", () => {
        add(items.length);
        more.remove();
      });
      into.append(more);
    }
  }
}

function rulesList(data) {
  byId("options").replaceChildren(...data.options.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  if (data.rules.length) {
    byId("rules-table").hidden = false;
    heads(byId("rules-heads"), [["Rule", "text"], ["For", "text"], ["Repositories", "wide"], ["Tags", ""], ["go", ""], ["Comes free", ""]]);
    byId("rules-rows").replaceChildren(...data.rules.map((rule) => el("tr", {},
      el("td", { class: "text" }, rule.rule), el("td", { class: "text" }, rule.repositories.join(", ")),
      el("td", { class: "wide" }, number(rule.matched)), el("td", {}, number(rule.tags)), el("td", {}, number(rule.tags_condemned)),
      el("td", {}, size(rule.bytes)))));
  }
  if (data.policy) {
    byId("policy").hidden = false;
    byId("policy-text").textContent = JSON.stringify(data.policy, null, 2);
  }
}

function themeSwitch() {
  const button = byId("theme");
  const root = document.documentElement;
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (preferred.matches ? "dark" : "light")) === "dark";
  const told = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark()));
    redraw();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    told();
  });
  preferred.addEventListener("change", told);
  told();
  // Paper is white, and narrower than most screens.
  let before;
  let wasOpen;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    wasOpen = byId("policy").open;
    byId("policy").open = true;
    fit({ width: 660 });
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    byId("policy").open = wasOpen;
    fit({ width: "auto" });
  });
  // A telephone tells of every line that scrolls its bars away.
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    requestAnimationFrame(() => fit({ width: "auto" }));
  });
}

async function begin() {
  if (!("DecompressionStream" in globalThis)) {
    byId("failed").hidden = false;
    return;
  }
  const data = await unpacked();
  document.documentElement.dataset.scripted = "";
  byId("store").textContent = data.store;
  if (data.refused) {
    byId("refused").textContent = "A plan would be refused: " + data.refused;
    byId("refused").hidden = false;
  }
  const open = repositoriesTable(data);
  if (data.drawn) {
    if (data.where.some((one) => one.bytes)) whereChart(data.where, data.places);
    if (data.months.length) monthsChart(data.months);
    else byId("months").hidden = true;
    if (data.ages.some((one) => one.count)) agesChart(data.ages);
    else byId("ages").hidden = true;
    largestTable(data);
  } else {
    for (const id of ["months", "ages", "largest"]) byId(id).hidden = true;
  }
  if (data.repositories.length) treemapChart(data, open);
  else byId("treemap").hidden = true;
  findingsList(data);
  rulesList(data);
  themeSwitch();
  document.documentElement.dataset.ready = "";
}

begin();
