"use strict";

// Draws the figures of the page: from one block of JSON, in the colours of the scheme, as wide as there is room.
(function () {
  const root = document.documentElement;
  const given = JSON.parse(document.getElementById("figures").textContent);
  const places = Array.from(document.querySelectorAll("[data-chart]"));
  const config = { displayModeBar: false, responsive: false, doubleClick: false, showTips: false };
  const narrow = 460;
  // Widths in print: of a figure by itself, and of one beside another, on A4 with the margins of the style.
  const page = 700;
  const half = 335;

  // A copy with the colours put in; columns of numbers and dates, which are long, are handed on as they are.
  function painted(value, style, key) {
    if (typeof value === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (key === "x" && typeof value === "number") {
      return given.columns[value];
    }
    if (Array.isArray(value)) {
      return key === "x" || key === "y" ? value : value.map((one) => painted(one, style, ""));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, painted(one, style, name)]));
    }
    return value;
  }

  function draw(place, width) {
    const style = getComputedStyle(root);
    const told = given.figures[place.dataset.chart];
    const data = told.data.map((trace) => painted(trace, style, ""));
    const layout = painted(told.layout, style, "");
    layout.width = width || place.clientWidth;
    layout.height = place.clientHeight;
    layout.autosize = false;
    if (layout.width < narrow) {
      layout.font.size = 11;
      layout.xaxis.nticks = Math.min(layout.xaxis.nticks || 5, 5);
      (layout.annotations || []).forEach((one) => (one.font.size = 10));
    }
    Plotly.react(place, data, layout, config);
    place.dataset.drawn = "yes";
  }

  function drawAll(widthOf) {
    places.forEach(function (place) {
      try {
        draw(place, widthOf && widthOf(place));
      } catch (error) {
        place.textContent = "This figure could not be drawn.";
        console.error("figure " + place.dataset.chart, error);
      }
    });
    root.dataset.figures = String(places.length);
    root.dataset.drawn = String(places.filter((place) => place.dataset.drawn).length);
  }

  let waiting = 0;
  let width = root.clientWidth;
  window.addEventListener("resize", function () {
    if (root.clientWidth === width || "light" in root.dataset) return;
    width = root.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());

  // Print is always light, and everything that can be opened is open.
  let opened = [];
  window.addEventListener("beforeprint", function () {
    root.dataset.light = "";
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((one) => (one.open = true));
    drawAll((place) => (place.closest(".beside") ? half : page));
  });
  window.addEventListener("afterprint", function () {
    delete root.dataset.light;
    opened.forEach((one) => (one.open = false));
    drawAll();
  });

  drawAll();
})();
