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
  for (const section of document.querySelectorAll("details")) {
    section.addEventListener("toggle", () => section.querySelectorAll(".plot").forEach((plot) => Plotly.Plots.resize(plot)));
  }
})();
