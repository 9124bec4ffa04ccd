// Repositories by size, those of one namespace together, coloured by the share of them that comes free.

const HEATS = [[0, "nothing comes free"], [0.1, "up to 10 %"], [0.25, "up to 25 %"], [0.5, "up to half"], [0.8, "up to 80 %"], [1, "more"]];

const heat = (freed, bytes) => HEATS.findIndex(([most]) => (bytes ? freed / bytes : 0) <= most);

// A label in a tile that is too small for it says less than none.
function leaf(name, label, bytes, freed, opens, scale) {
  const step = heat(freed, bytes);
  const side = Math.sqrt(bytes * scale);
  return {
    name, value: bytes, freed, opens,
    itemStyle: { color: colour("heat-" + step) },
    label: { show: side > 50, color: colour("heat-ink-" + step), formatter: () => (side > 62 ? label + "\n" + size(bytes) : label) },
  };
}

function nodes(data, place) {
  const whole = data.sizes.exclusive.bytes + data.sizes.shared.bytes + data.sizes.unlinked.bytes;
  const scale = (place.clientWidth * place.clientHeight) / whole;
  const groups = new Map();
  for (const one of data.repositories) {
    if (!one.exclusive_bytes) continue;
    const group = one.name.includes("/") ? one.name.slice(0, one.name.indexOf("/")) : "";
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(one);
  }
  const found = [];
  for (const [group, members] of groups) {
    const children = members.map((one) =>
      leaf(one.name, group && members.length > 1 ? one.name.slice(group.length + 1) : one.name, one.exclusive_bytes, one.freed_bytes, true, scale));
    if (!group || members.length === 1) found.push(...children);
    else found.push({ name: group + "/", value: children.reduce((sum, one) => sum + one.value, 0), children });
  }
  const { shared, unlinked } = data.sizes;
  if (shared.bytes) found.push(leaf("shared by several", "shared by several", shared.bytes, shared.freed, false, scale));
  if (unlinked.bytes) found.push(leaf("in no repository", "in no repository", unlinked.bytes, unlinked.freed, false, scale));
  return found;
}

function treemapLegend() {
  byId("treemap-legend").replaceChildren(...HEATS.map(([, words], step) => {
    const swatch = el("i", {});
    swatch.style.background = "var(--heat-" + step + ")";
    return el("span", {}, swatch, words);
  }));
}

function treemapChart(data, open) {
  const told = ({ data: node, name, value }) =>
    cut(name, 46) + "\n" + size(value) + (node.freed === undefined ? "" : ", " + size(node.freed) + " comes free (" + percent(node.freed, value) + ")");
  treemapLegend();
  const made = chart("treemap-chart", () => ({
    tooltip: tooltip(told, "item"),
    series: [{
      type: "treemap", data: nodes(data, byId("treemap-chart")), roam: false, nodeClick: false, breadcrumb: { show: false },
      left: 0, right: 0, top: 0, bottom: 0, visibleMin: 60, childrenVisibleMin: 60,
      label: { show: true, fontSize: 12, lineHeight: 16, overflow: "truncate", padding: [2, 4], position: "insideTopLeft" },
      upperLabel: { show: true, height: 20, color: colour("quiet"), fontSize: 12 },
      itemStyle: { borderColor: colour("card"), borderWidth: 1, gapWidth: 1 },
      levels: [
        { itemStyle: { borderColor: colour("card"), borderWidth: 0, gapWidth: 3 }, upperLabel: { show: false } },
        { itemStyle: { borderColor: colour("soft"), borderWidth: 0, gapWidth: 1 } },
        { itemStyle: { borderWidth: 0, gapWidth: 1 } },
      ],
      emphasis: { itemStyle: { borderColor: colour("ink") }, upperLabel: { show: true, color: colour("ink") } },
    }],
  }));
  made.on("click", ({ data: node }) => node && node.opens && open(node.name));
}
