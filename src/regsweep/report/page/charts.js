// The charts. What they show stands in tables too, or in their labels; no name becomes HTML, for tooltips are drawn.

const charts = [];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function chart(id, options) {
  const place = byId(id);
  place.hidden = false;
  const drawn = { place, options, made: echarts.init(place, null, { renderer: "svg" }) };
  charts.push(drawn);
  draw(drawn);
  return drawn.made;
}

function draw({ made, options, place }) {
  made.setOption({
    animation: false,
    aria: { enabled: true },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("ink") },
    ...options(place.clientWidth < 500),
  }, true);
}

const redraw = () => charts.forEach(draw);
const fit = (to) => charts.forEach((one) => {
  one.made.resize(to);
  draw(one);
});

const tooltip = (formatter, trigger) => ({
  trigger, formatter, renderMode: "richText", confine: true, backgroundColor: colour("card"),
  borderColor: colour("line"), textStyle: { color: colour("ink"), fontSize: 13 },
  axisPointer: { type: "shadow", shadowStyle: { color: colour("line"), opacity: 0.35 } },
});
const legend = () => ({
  top: 0, right: 0, itemWidth: 12, itemHeight: 12, selectedMode: false, textStyle: { color: colour("quiet") },
});
const labels = (more) => ({ color: colour("quiet"), fontSize: 12, ...more });
const lines = () => ({ lineStyle: { color: colour("line") } });
const measure = (narrow) => ({
  type: "value", splitNumber: narrow ? 3 : 5, axisLabel: labels({ formatter: size, hideOverlap: true }), splitLine: lines(),
});
const stacked = (name, data, tone) => ({
  name, type: "bar", stack: "all", data, barMaxWidth: 34, itemStyle: { color: colour(tone) },
});

function whereChart(where, names) {
  const shown = where.filter((one) => one.bytes).reverse();
  byId("where-chart").style.height = 70 + 36 * shown.length + "px";
  chart("where-chart", (narrow) => ({
    legend: legend(),
    tooltip: tooltip((bars) => bars[0].name + bars.map((bar) => "\n" + bar.seriesName + " " + size(bar.value)).join(""), "axis"),
    grid: { left: 4, right: 34, top: 30, bottom: 4, containLabel: true },
    xAxis: measure(narrow),
    yAxis: {
      type: "category", data: shown.map((one) => names[one.name]), axisTick: { show: false }, axisLine: lines(),
      axisLabel: labels(narrow ? { width: 110, overflow: "break", lineHeight: 15 } : {}),
    },
    series: [
      stacked("stays", shown.map((one) => one.bytes - one.freed), "kept"),
      stacked("comes free", shown.map((one) => one.freed), "goes"),
    ],
  }));
}

// Months in which nothing was pushed are months too.
function everyMonth(months) {
  const known = new Map(months.map((one) => [one.month.slice(0, 7), one]));
  const found = [];
  const last = months[months.length - 1].month.slice(0, 7);
  let [year, month] = months[0].month.split("-").map(Number);
  for (let name = ""; name !== last;) {
    name = year + "-" + String(month).padStart(2, "0");
    found.push({ name, kept: 0, condemned: 0, ...known.get(name) });
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
  }
  return found;
}

function monthsChart(months) {
  const all = everyMonth(months);
  chart("months-chart", (narrow) => ({
    legend: legend(),
    tooltip: tooltip((bars) => bars[0].name + bars.map((bar) => "\n" + bar.seriesName + " " + size(bar.value)).join(""), "axis"),
    grid: { left: 4, right: 30, top: 34, bottom: 4, containLabel: true },
    xAxis: {
      type: "category", data: all.map((one) => one.name), axisTick: { show: false }, axisLine: lines(),
      axisLabel: labels({ hideOverlap: true }),
    },
    yAxis: measure(narrow),
    series: [stacked("stays", all.map((one) => one.kept), "kept"), stacked("comes free", all.map((one) => one.condemned), "goes")],
  }));
}

const AGES = { 7: "under a week", 30: "1 to 4 weeks", 90: "1 to 3 months", 365: "3 to 12 months", 730: "1 to 2 years", null: "2 years and more" };

function agesChart(ages) {
  const shown = [...ages].reverse();
  const room = 1.3 * Math.max(...ages.map((one) => one.bytes));
  chart("ages-chart", (narrow) => ({
    tooltip: tooltip((bar) => bar.name + "\n" + plural(shown[bar.dataIndex].count, "blob") + ", " + size(bar.value), "item"),
    grid: { left: 4, right: 16, top: 8, bottom: 4, containLabel: true },
    xAxis: { ...measure(narrow), max: room, axisLabel: { show: false }, splitLine: { show: false } },
    yAxis: {
      type: "category", data: shown.map((one) => AGES[one.days]), axisTick: { show: false }, axisLine: lines(), axisLabel: labels(),
    },
    series: [{
      type: "bar", barMaxWidth: 24, data: shown.map((one) => one.bytes), itemStyle: { color: colour("goes") },
      label: { show: true, position: "right", color: colour("ink"), formatter: (bar) => (bar.value ? size(bar.value) : "none") },
    }],
  }));
}
