/* SPDX-License-Identifier: MIT */
/*
 * What moves on a report: charts (by Chart.js, where it is there), sorting, the filter by cell, the
 * theme, and what printing needs. The page is whole without it. Nothing here makes HTML from data:
 * texts go in as text, numbers as numbers.
 */
(function () {
  "use strict";
  var root = document.documentElement;
  var SHAPES = ["circle", "triangle", "rect", "rectRot", "star", "crossRot", "cross"];
  var COLOURS = 8;

  function each(selector, call, within) {
    Array.prototype.forEach.call((within || document).querySelectorAll(selector), call);
  }
  function css(name) {
    return getComputedStyle(root).getPropertyValue(name).trim();
  }
  function colour(cell) {
    return cell === undefined ? css("--ink") : css("--c" + (cell % COLOURS));
  }
  function faint(hex, alpha) {
    return hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
  }
  function number(value) {
    if (value === 0) return "0";
    var size = Math.abs(value);
    var text = size >= 1e6 || size < 1e-4 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(+value.toPrecision(4));
    return text.replace(/^-/, "\u2212").replace("e-", "e\u2212").replace("e+", "e");
  }
  /* Names may hold letters of either direction: isolated, they do not turn their neighbours. */
  function isolated(name) {
    return "\u2068" + name + "\u2069";
  }
  function cut(name, most) {
    var letters = Array.from(name);
    return isolated(letters.length > most ? letters.slice(0, most - 1).join("") + "\u2026" : name);
  }

  /* ---- tables ---- */

  function keyOf(row, column) {
    var cell = row.cells[column];
    var value = cell.getAttribute("data-value");
    return value !== null ? (value === "" ? null : +value) : cell.textContent.trim();
  }
  function compare(a, b) {
    if (a === b) return 0;
    if (a === null) return 2; /* what is not known stands last, whichever way */
    if (b === null) return -2;
    if (typeof a === "number" && typeof b === "number") return a < b ? -1 : 1;
    return String(a).localeCompare(String(b));
  }
  function sort(table, column, th) {
    var down = th.getAttribute("aria-sort") === "ascending";
    var body = table.tBodies[0];
    var rows = Array.prototype.map.call(body.rows, function (row, i) {
      return { row: row, key: keyOf(row, column), place: i };
    });
    rows.sort(function (a, b) {
      var order = compare(a.key, b.key);
      if (Math.abs(order) === 2) return order;
      return (down ? -order : order) || a.place - b.place;
    });
    rows.forEach(function (r) { body.appendChild(r.row); });
    each("th[aria-sort]", function (other) { other.setAttribute("aria-sort", "none"); }, table);
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
  }
  each("table.sortable", function (table) {
    each("thead th", function (th, column) {
      var button = document.createElement("button");
      button.type = "button";
      if (th.classList.contains("quiet")) return;
      button.appendChild(th.firstChild);
      button.appendChild(document.createElement("span")).className = "arrow";
      while (th.firstChild) button.appendChild(th.firstChild);
      th.appendChild(button);
      if (!th.hasAttribute("aria-sort")) th.setAttribute("aria-sort", "none");
      button.addEventListener("click", function () { sort(table, column, th); });
    }, table);
  });

  /* ---- charts ---- */

  var charts = []; /* {part, place, figure, chart} of each figure on the page */

  function place(figure, hidden) {
    /* Rows that are left move up. */
    var at = {}, names = [], n = 0;
    (figure.rows || []).forEach(function (row, i) {
      if (row.cell !== undefined && hidden[row.cell]) return;
      at[i] = n++;
      names.push(row.name);
    });
    return { at: at, names: names };
  }
  function points(series, rows, figure) {
    return series.points.map(function (p) {
      var row = Math.round(p[1]);
      var y = figure.rows ? rows.at[row] + (p[1] - row) : p[1];
      var spans = series.mark === "band" || series.mark === "range" || series.mark === "box";
      return { x: p[0], y: y, low: spans ? p[2] : null, high: spans ? p[3] : null,
               tag: spans || p.length < 3 ? null : p[2] };
    });
  }
  function base(series) {
    var c = colour(series.cell);
    return { label: series.name, what: series.what, borderColor: c, backgroundColor: faint(c, 0.55),
             pointStyle: SHAPES[(series.cell || 0) % SHAPES.length], pointRadius: 0,
             pointHoverRadius: 6, borderWidth: 2, showLine: true, fill: false, order: 2 };
  }
  function extend(a, b) {
    return Object.assign(a, b);
  }
  var DRAW = {
    points: function (series, data) {
      var many = data.length > 150;
      return [extend(base(series), { data: data, showLine: false, borderWidth: 1.25, order: 3,
        pointRadius: many ? 2.2 : 4 })];
    },
    line: function (series, data) {
      return [extend(base(series), { data: data, pointHitRadius: 8,
        pointRadius: data.length === 1 ? 4 : 0 })];
    },
    step: function (series, data) {
      return [extend(base(series), { data: data, stepped: "before", borderDash: [5, 4],
        borderWidth: 1.5, pointHitRadius: 8, pointRadius: 7, pointStyle: "circle",
        backgroundColor: "transparent", order: 4 })];
    },
    band: function (series, data) {
      function edge(which) {
        return data.map(function (p) { return { x: p.x, y: p[which] }; });
      }
      var c = colour(series.cell);
      var none = { borderWidth: 0, pointHitRadius: 0, pointHoverRadius: 0, quiet: true, order: 5 };
      return [
        extend(extend(base(series), none), { data: edge("low") }),
        extend(extend(base(series), none), { data: edge("high"), fill: "-1",
          backgroundColor: faint(c, 0.14) }),
        extend(base(series), { data: data, pointHitRadius: 8, pointRadius: data.length === 1 ? 4 : 0 })
      ];
    },
    range: function (series, data, figure) {
      /* Where a row is not a cell, several cells share it, and colours tell them apart. */
      var shared = !figure.rows[0] || figure.rows[0].cell === undefined;
      var size = shared ? 4 : 6;
      return data.map(function (p) {
        return extend(base(series), { borderWidth: shared ? 1.5 : 2.5, order: 1,
          pointStyle: shared ? base(series).pointStyle : "rectRot",
          backgroundColor: css("--card"), borderColor: shared ? colour(series.cell) : css("--ink"),
          pointBorderWidth: 2, pointRadius: [0, size, 0], pointHoverRadius: [0, size + 1, 0],
          data: [{ x: p.low === null ? p.x : p.low, y: p.y }, p, { x: p.high === null ? p.x : p.high, y: p.y }] });
      });
    },
    box: function (series, data) {
      var parts = [];
      data.forEach(function (p) {
        parts.push(extend(base(series), { order: 6, quiet: true, borderWidth: 20, pointHoverRadius: 0,
          pointHitRadius: 0, borderColor: faint(colour(series.cell), 0.2),
          data: [{ x: p.low, y: p.y }, { x: p.high, y: p.y }] }));
        parts.push(extend(base(series), { order: 1, showLine: false, pointStyle: "line",
          pointRotation: 90, pointRadius: 10, pointHoverRadius: 11, pointBorderWidth: 3,
          borderColor: css("--ink"), data: [p] }));
      });
      return parts;
    }
  };
  function referenceLine(x, count) {
    return { data: [{ x: x, y: -0.5 }, { x: x, y: count - 0.5 }], showLine: true, pointRadius: 0,
             pointHitRadius: 0, quiet: true, borderColor: css("--muted"), borderWidth: 1.5,
             borderDash: [3, 3], order: 9 };
  }
  /* On a logarithmic axis powers of ten only, unless they are too few to read it by. */
  function logLabel(value, i, ticks) {
    var power = Math.pow(10, Math.floor(Math.log10(value) + 1e-9));
    var first = Math.round(value / power);
    var decades = ticks.length ? Math.log10(ticks[ticks.length - 1].value / ticks[0].value) : 0;
    return first === 1 || (decades < 2.2 && (first === 2 || first === 5)) ? number(value) : "";
  }
  function axis(spec, narrow, titled) {
    return {
      type: spec.log ? "logarithmic" : "linear",
      max: spec.top,
      title: { display: titled, text: spec.label, color: css("--muted"), padding: narrow ? 2 : 6 },
      grid: { color: css("--grid"), borderColor: css("--line"), tickColor: css("--grid") },
      ticks: { color: css("--muted"), maxRotation: 0, autoSkip: !spec.log,
               maxTicksLimit: spec.log ? 99 : narrow ? 6 : 9,
               callback: spec.log ? logLabel : function (value) { return number(value); } }
    };
  }
  function rowAxis(names, narrow) {
    return {
      type: "linear", reverse: true, min: -0.5, max: Math.max(names.length, 1) - 0.5,
      grid: { display: false, borderColor: css("--line") },
      afterBuildTicks: function (scale) {
        scale.ticks = names.map(function (name, i) { return { value: i }; });
      },
      ticks: { color: css("--ink"), autoSkip: false,
               callback: function (value) { return cut(names[value] || "", narrow ? 14 : 26); } }
    };
  }
  function told(figure) {
    return function (item) {
      var p = item.raw;
      var parts = [isolated(item.dataset.label)];
      if (figure.rows) parts.push(number(p.x));
      else parts.push(figure.x.label + " " + number(p.x), number(p.y));
      if (p.low !== null && p.low !== undefined && p.high !== null)
        parts.push("[" + number(p.low) + ", " + number(p.high) + "]");
      if (p.tag !== null && p.tag !== undefined && p.tag >= 0 && figure.tag)
        parts.push(figure.tag + " " + p.tag);
      return parts.join("  \u00b7  ");
    };
  }
  function draw(entry) {
    var figure = entry.figure, hidden = entry.part.hidden;
    var narrow = entry.place.clientWidth < 520;
    var rows = place(figure, hidden), sets = [];
    figure.series.forEach(function (series) {
      if (series.cell !== undefined && hidden[series.cell]) return;
      sets = sets.concat(DRAW[series.mark](series, points(series, rows, figure), figure));
    });
    if (figure.reference !== undefined) sets.push(referenceLine(figure.reference, rows.names.length));
    if (entry.chart) entry.chart.destroy();
    if (figure.rows) {
      var shared = figure.rows[0] && figure.rows[0].cell === undefined;
      var each = shared ? Math.max(34, 14 * figure.series.length) : narrow ? 38 : 42;
      entry.place.style.height = Math.max(150, 84 + rows.names.length * each) + "px";
    }
    entry.chart = new Chart(entry.place.querySelector("canvas"), {
      type: "scatter",
      data: { datasets: sets },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
        interaction: { mode: "nearest", intersect: true },
        layout: { padding: { right: 10, top: 6 } },
        scales: { x: axis(figure.x, narrow, true),
                  y: figure.rows ? rowAxis(rows.names, narrow) : axis(figure.y, narrow, false) },
        plugins: {
          legend: { display: false },
          tooltip: {
            displayColors: false, backgroundColor: css("--ink"), bodyColor: css("--bg"),
            titleColor: css("--bg"), cornerRadius: 4, padding: 8,
            filter: function (item) { return !item.dataset.quiet; },
            callbacks: { label: told(figure), title: function (items) {
              return items.length ? items[0].dataset.what : ""; } }
          }
        }
      }
    });
    root.setAttribute("data-drawn", charts.filter(function (c) { return c.chart; }).length);
  }
  function redraw(part) {
    charts.forEach(function (entry) {
      if (entry.chart && (!part || entry.part === part)) draw(entry);
    });
  }
  function drawAll() {
    charts.forEach(function (entry) { if (!entry.chart) draw(entry); });
  }

  /* ---- parts: one study on one task each ---- */

  function filter(part, section) {
    each("[data-cell]", function (row) {
      row.hidden = !!part.hidden[row.getAttribute("data-cell")];
    }, section);
    redraw(part);
  }
  function start(section) {
    var holder = section.querySelector("script[type='application/json']");
    var part = { hidden: {} };
    var data = holder ? JSON.parse(holder.textContent) : { figures: [] };
    each(".filter input[type=checkbox]", function (box) {
      box.checked = true; /* browsers keep what was chosen over a reload */
      box.addEventListener("change", function () {
        part.hidden[box.value] = !box.checked;
        filter(part, section);
      });
    }, section);
    each(".filter button", function (button) {
      button.addEventListener("click", function () {
        var on = button.value === "all";
        each(".filter input[type=checkbox]", function (box) {
          box.checked = on;
          part.hidden[box.value] = !on;
        }, section);
        filter(part, section);
      });
    }, section);
    each(".filter", function (box) { box.hidden = false; }, section);
    if (!window.Chart) return;
    data.figures.forEach(function (figure) {
      var at = section.querySelector("[data-figure='" + figure.id + "'] .canvas");
      if (at) charts.push({ part: part, place: at, figure: figure, chart: null });
    });
  }

  if (window.Chart) {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12.5;
  }
  each("section.part", start);

  /* A page with many studies opens at once all the same: charts are drawn when they come near. */
  var FEW = 20;
  if (charts.length > FEW && "IntersectionObserver" in window) {
    var watch = new IntersectionObserver(function (entries) {
      entries.forEach(function (seen) {
        if (!seen.isIntersecting) return;
        watch.unobserve(seen.target);
        charts.forEach(function (entry) {
          if (entry.place === seen.target && !entry.chart) draw(entry);
        });
      });
    }, { rootMargin: "400px" });
    charts.forEach(function (entry) { watch.observe(entry.place); });
  } else {
    drawAll();
  }

  /* ---- theme and print ---- */

  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function theme() {
    return root.getAttribute("data-theme") || (dark.matches ? "dark" : "light");
  }
  each("#theme", function (button) {
    button.hidden = false;
    function show() { button.textContent = theme() === "dark" ? "Light" : "Dark"; }
    button.addEventListener("click", function () {
      root.setAttribute("data-theme", theme() === "dark" ? "light" : "dark");
      show();
      redraw();
    });
    dark.addEventListener("change", function () { show(); redraw(); });
    show();
  });
  var before = null, closed = [];
  window.addEventListener("beforeprint", function () {
    before = root.getAttribute("data-theme");
    root.setAttribute("data-theme", "light");
    each("details:not([open])", function (box) {
      /* The numbers of each figure would be many pages: they stay folded. */
      if (!box.classList.contains("numbers")) { box.open = true; closed.push(box); }
    });
    drawAll();
    redraw();
  });
  window.addEventListener("afterprint", function () {
    if (before === null) root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", before);
    closed.forEach(function (box) { box.open = false; });
    closed = [];
    redraw();
  });
  root.setAttribute("data-ready", "yes");
})();
