// On a phone each row of a wide table is a list: its cells say which column they are of.
for (const table of document.querySelectorAll("table.wide")) {
  const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  for (const row of table.tBodies[0].rows) for (const cell of row.cells) cell.dataset.title = titles[cell.cellIndex];
}
const fit = () => Promise.all([...document.querySelectorAll(".js-plotly-plot")].map((plot) => plot.offsetWidth && Plotly.Plots.resize(plot)));
// What is closed cannot be printed, and a plot keeps the width that it was drawn in.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((section) => (section.open = true));
  document.body.classList.add("printed");
  fit();
});
addEventListener("afterprint", () => {
  closed.forEach((section) => (section.open = false));
  document.body.classList.remove("printed");
  fit();
});
(async () => {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.appendChild(script);
  const plots = JSON.parse(document.getElementById("plots").textContent);
  for (const [id, figure] of Object.entries(plots)) {
    Plotly.newPlot(id, figure.data, figure.layout, { responsive: true, displayModeBar: false });
  }
  // A plot in a closed section has no width until it is opened.
  for (const section of document.querySelectorAll("details")) section.addEventListener("toggle", fit);
})();
