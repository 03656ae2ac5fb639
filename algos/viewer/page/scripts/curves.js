// Learning curves of every metric: searched, grouped by prefix, with one cursor for all of them.
const Curves = (() => {
  const MANY = 300; // more points than these are drawn by uPlot
  const WIDTH = 320, HEIGHT = 150, LEFT = 66, RIGHT = 8, TOP = 8, BOTTOM = 20;
  const SMOOTHINGS = [["none", 0], ["some", 0.6], ["much", 0.9]];

  const mount = (container, rows) => {
    container.replaceChildren();
    const data = CurveData.read(rows);
    if (!data.names.length) return { update: () => {}, destroy: () => {} };
    const look = { keep: 0, log: false, wanted: "", at: data.x.length - 1 };
    const open = new Set(["main"]);
    let charts = [];

    const search = Dom.h("input", { type: "search", "aria-label": "Search metrics", placeholder: "search metrics" });
    const smoothing = Dom.h("select", { "aria-label": "Smoothing" },
      ...SMOOTHINGS.map(([name, keep]) => Dom.h("option", { value: String(keep) }, `smoothing: ${name}`)));
    const log = Dom.h("input", { type: "checkbox" });
    const cursor = Dom.h("input", { type: "range", min: "0", step: "1", "aria-label": `Cursor over the curves, by ${data.axis}` });
    const told = Dom.h("output", {});
    const status = Dom.h("span", { role: "status", class: "note" });
    const list = Dom.h("div", { class: "curve-groups" });
    const bar = Dom.h("div", { class: "curve-bar" }, search, smoothing, Dom.h("label", {}, log, " log axis"),
      Dom.h("label", { class: "curve-cursor" }, cursor, told), status);
    container.append(bar, list);

    const point = (k) => {
      look.at = Math.max(0, Math.min(k, data.x.length - 1));
      cursor.max = String(data.x.length - 1);
      cursor.value = String(look.at);
      told.textContent = `${data.axis} ${CurveData.text(data.x[look.at])}`;
      cursor.setAttribute("aria-valuetext", told.textContent);
      charts.forEach((chart) => chart.point(look.at));
    };

    const clear = () => { charts.forEach((chart) => chart.destroy()); charts = []; };

    const fill = (box, names) => {
      names.forEach((name) => {
        const chart = figure(data, name, look, point);
        box.append(chart.element);
        chart.draw();
        charts.push(chart);
      });
      point(look.at);
    };

    const draw = () => {
      clear();
      list.replaceChildren();
      const found = CurveData.groups(data.names, look.wanted);
      const shown = new Set(found.flatMap(([, names]) => names));
      status.textContent = `${shown.size} of ${data.names.length} metrics`;
      found.forEach(([group, names]) => {
        const box = Dom.h("div", { class: "curve-grid" });
        const fold = Dom.h("details", {}, Dom.h("summary", {}, `${group} (${names.length})`), box);
        fold.open = open.has(group) || (look.wanted !== "" && shown.size <= 24);
        if (fold.open) fill(box, names);
        fold.addEventListener("toggle", () => {
          if (fold.open) { open.add(group); if (!box.childElementCount) fill(box, names); } else open.delete(group);
        });
        list.append(fold);
      });
      point(look.at);
    };

    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { look.wanted = search.value; draw(); }, 120);
    });
    smoothing.addEventListener("change", () => { look.keep = Number(smoothing.value); draw(); });
    log.addEventListener("change", () => { look.log = log.checked; draw(); });
    cursor.addEventListener("input", () => point(Number(cursor.value)));
    draw();

    // New rows of a run that goes on: what is open, searched and pointed at stays.
    const update = (newer) => {
      const atEnd = look.at >= data.x.length - 1;
      Object.assign(data, CurveData.read(newer));
      if (atEnd) look.at = data.x.length - 1;
      draw();
    };
    return { update, destroy: clear };
  };

  // One curve with its name and its value under the cursor.
  const figure = (data, name, look, point) => {
    const value = Dom.h("b", {});
    const box = Dom.h("div", { class: "curve" });
    const element = Dom.h("figure", {}, Dom.h("figcaption", {}, name, " ", value), box);
    const ys = () => {
      const smoothed = CurveData.smooth(data.values[name], look.keep);
      return look.log ? smoothed.map((y) => (y !== null && y > 0 ? y : null)) : smoothed;
    };
    const maker = data.x.length > MANY && typeof uPlot === "function" ? large : small;
    let made = null;
    const draw = () => { made = maker(box, data, name, ys(), look, point); };
    const show = (k) => {
      value.textContent = CurveData.text(data.values[name][k]);
      if (made) made.point(k);
    };
    return { element, draw, point: show, destroy: () => { if (made) made.destroy(); made = null; } };
  };

  const small = (box, data, name, ys, look, point) => {
    const [x0, x1] = CurveData.ends(data.x, false);
    const [y0, y1] = CurveData.ends(ys, look.log);
    const height = (y) => (look.log ? Math.log(y) : y);
    const right = (x) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
    const up = (y) => HEIGHT - BOTTOM - ((height(y) - height(y0)) / (height(y1) - height(y0))) * (HEIGHT - TOP - BOTTOM);
    let path = "", gap = true;
    ys.forEach((y, k) => {
      if (y === null) return; // what was not measured at an update is passed over
      path += `${gap ? "M" : "L"}${right(data.x[k]).toFixed(1)} ${up(y).toFixed(1)}`;
      gap = false;
    });
    const label = (x, y, words, anchor) => {
      const made = Dom.svg("text", { x, y, "text-anchor": anchor });
      made.textContent = words;
      return made;
    };
    const line = Dom.svg("path", { class: "curve-at", d: "" });
    const dot = Dom.svg("circle", { class: "curve-dot", r: 3.5, visibility: "hidden" });
    const count = CurveData.finite(ys).length;
    const words = `${name}: from ${CurveData.text(CurveData.finite(ys)[0])} to ${CurveData.text(CurveData.finite(ys)[count - 1])}, ` +
      `between ${CurveData.text(y0)} and ${CurveData.text(y1)}, ${count} values`;
    const picture = Dom.svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
      Dom.svg("path", { class: "grid", d: `M${LEFT} ${up(y0)}H${WIDTH - RIGHT}M${LEFT} ${up(y1)}H${WIDTH - RIGHT}` }),
      label(LEFT - 5, up(y0) + 4, CurveData.text(y0), "end"), label(LEFT - 5, up(y1) + 4, CurveData.text(y1), "end"),
      label(LEFT, HEIGHT - 5, CurveData.text(x0), "start"), label(WIDTH - RIGHT, HEIGHT - 5, CurveData.text(x1), "end"),
      Dom.svg("path", { class: "curve-line", d: path }), line, dot);
    picture.addEventListener("pointermove", (event) => {
      const place = picture.getBoundingClientRect();
      const at = ((event.clientX - place.left) / place.width) * WIDTH;
      point(CurveData.nearest(data.x, x0 + ((at - LEFT) / (WIDTH - LEFT - RIGHT)) * (x1 - x0)));
    });
    box.replaceChildren(picture);
    return {
      point: (k) => {
        line.setAttribute("d", `M${right(data.x[k]).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
        const known = ys[k] !== null && ys[k] !== undefined;
        dot.setAttribute("visibility", known ? "visible" : "hidden");
        if (known) { dot.setAttribute("cx", right(data.x[k]).toFixed(1)); dot.setAttribute("cy", up(ys[k]).toFixed(1)); }
      },
      destroy: () => {},
    };
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";

  const large = (box, data, name, ys, look, point) => {
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `${name}, ${CurveData.finite(ys).length} values`);
    let own = false; // whether the cursor was moved by us
    const axis = () => ({ stroke: colour("--soft"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: "11px system-ui" });
    const plot = new uPlot({
      width: box.clientWidth || WIDTH, height: HEIGHT, legend: { show: false }, padding: [6, 8, 0, 0],
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: look.log ? { distr: 3 } : {} },
      axes: [{ ...axis(), size: 24 }, { ...axis(), size: 52, values: (u, ticks) => ticks.map((one) => (one === null ? "" : CurveData.text(one))) }],
      series: [{}, { stroke: colour("--s0"), width: 1.6, spanGaps: true, points: { show: false } }],
      hooks: { setCursor: [(u) => { if (!own && u.cursor.idx !== null) point(u.cursor.idx); }] },
    }, [data.x, ys], box);
    return {
      point: (k) => {
        own = true;
        plot.setCursor({ left: plot.valToPos(data.x[k], "x"), top: 0 }, false);
        own = false;
      },
      destroy: () => plot.destroy(),
    };
  };

  return { mount };
})();

// The curves take the place of the few that are drawn in advance, once they come into sight.
const CurveSection = (() => {
  const rows = () => Data.run.curves || [];
  let mounted = null;

  const place = () => {
    const found = document.getElementById("learning");
    if (found) return found;
    const title = Dom.h("h2", { id: "learning-title" }, "Learning curve");
    const made = Dom.h("section", { id: "learning", "aria-labelledby": "learning-title" }, title);
    const table = document.getElementById("questions");
    table.parentNode.insertBefore(made, table);
    return made;
  };

  const show = () => {
    if (rows().length < 2) return;
    if (mounted) { mounted.update(rows()); return; }
    const section = place();
    const box = Dom.h("div", { class: "curves script-only" });
    section.insertBefore(box, section.children[1] || null);
    section.classList.add("has-curves");
    const seen = new IntersectionObserver((entries) => {
      if (mounted || !entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      mounted = Curves.mount(box, rows());
    }, { rootMargin: "600px" });
    seen.observe(section);
  };

  show();
  return { show };
})();
