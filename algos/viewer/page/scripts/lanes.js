// One step of an episode on the time axis, as SVG: what it looked at, how densely, and how large.
const Lanes = (() => {
  const HEIGHT = 30;
  const MIDDLE = HEIGHT / 2;
  // Frames per second at the foot and at the top of the scale of bracket heights, and its pixels.
  const RATES = [0.01, 30];
  const PIXELS = [5, 24];

  // Height of a bracket: the logarithm of the rate, so that 1 a minute and 10 a second both show.
  function bracketHeight(rate) {
    if (rate === null) return PIXELS[0];
    const share = Math.log(rate / RATES[0]) / Math.log(RATES[1] / RATES[0]);
    return PIXELS[0] + (PIXELS[1] - PIXELS[0]) * Math.min(Math.max(share, 0), 1);
  }

  const fixed = (x) => String(Math.round(x * 100) / 100);

  // How a step is drawn; `view` has question, window, width, sizes and the id of the hatching.
  function draw(view, step) {
    const { window, width } = view;
    const svg = Dom.svg("svg", { class: "tl-lane", width, height: HEIGHT, "aria-hidden": "true" });
    const span = step.span && Axis.drawn(step.span, window, width);
    if (span) svg.append(...spanMarks(view, step, span));
    for (const claim of step.claimed || []) {
      const found = Axis.drawn(claim, window, width);
      if (found) svg.append(rectangle("tl-claimed", found, 18));
    }
    svg.append(...frameMarks(view, step));
    if (step.box && span) svg.append(boxBadge(step.box, span, width));
    return svg;
  }

  function rectangle(name, [x, wide], high, extra = {}) {
    return Dom.svg("rect", {
      class: name, x: fixed(x), y: MIDDLE - high / 2, width: fixed(wide), height: high, ...extra,
    });
  }

  function spanMarks(view, step, [x, wide]) {
    if (step.action === "skip") {
      return [rectangle("tl-skip", [x, wide], 14, { fill: `url(#${view.hatch})` })];
    }
    if (step.action === "sample") return [rectangle(`tl-sample ${size(view, step)}`, [x, wide], 14)];
    if (step.action !== "zoom") return [rectangle("tl-other", [x, wide], 14)];
    const high = bracketHeight(Looks.rate(step));
    const foot = HEIGHT - 3;
    const d = `M${fixed(x)} ${foot}V${fixed(foot - high)}H${fixed(x + wide)}V${foot}`;
    return [Dom.svg("path", { class: `tl-zoom ${size(view, step)}`, d })];
  }

  function size(view, step) {
    const own = Looks.sizeOf(view.question, step);
    const place = own ? view.sizes.findIndex((one) => one.join() === own.join()) : -1;
    return place < 0 ? "size-none" : `size-${place % 4}`;
  }

  // Dots, and diamonds for those in the evidence: two paths, however many frames there are.
  function frameMarks(view, step) {
    const { hits, misses } = seconds(view.question, step);
    const marks = [];
    const dots = Axis.thinned(misses, view.window, view.width);
    const diamonds = Axis.thinned(hits, view.window, view.width);
    const y = step.action === "zoom" ? HEIGHT - 7 : MIDDLE;
    if (dots.length) {
      const d = dots.map((x) => `M${fixed(x)} ${y}h.01`).join("");
      marks.push(Dom.svg("path", { class: "tl-dots", d }));
    }
    if (diamonds.length) {
      const d = diamonds.map((x) => `M${fixed(x)} ${y - 5.5}l5 5.5l-5 5.5l-5-5.5z`).join("");
      marks.push(Dom.svg("path", { class: "tl-diamonds", d }));
    }
    return marks;
  }

  const sorted = new WeakMap();

  function seconds(question, step) {
    if (!sorted.has(step)) {
      const all = Looks.ofStep(step).map(([second]) => second).sort((a, b) => a - b);
      const inside = (second) => !step.elsewhere && Looks.inside(second, Looks.evidence(question));
      sorted.set(step, { hits: all.filter(inside), misses: all.filter((one) => !inside(one)) });
    }
    return sorted.get(step);
  }

  // A small picture with the part of it that was shown, at the right end of its stretch.
  function boxBadge([x0, y0, x1, y1], [x, wide], width) {
    const left = Math.min(Math.max(x + wide + 4, 0), width - 18);
    const group = Dom.svg("g", { class: "tl-box", transform: `translate(${fixed(left)} 3)` });
    group.append(
      Dom.svg("rect", { class: "tl-box-all", width: 16, height: 11 }),
      Dom.svg("rect", {
        class: "tl-box-part", x: fixed(16 * x0), y: fixed(11 * y0),
        width: fixed(Math.max(16 * (x1 - x0), 1)), height: fixed(Math.max(11 * (y1 - y0), 1)),
      }),
    );
    return group;
  }

  // What the shapes mean: only those that are on this axis.
  function legend(view, episodes) {
    const steps = episodes.flatMap((episode) => Looks.steps(episode));
    const has = (test) => steps.some(test);
    const list = Dom.h("ul", { class: "tl-legend" });
    const add = (mark, words) => list.append(Dom.h("li", {}, mark, words));
    if (Looks.evidence(view.question).length) add(swatch("tl-evidence", view.pattern), "evidence");
    if (has((step) => Looks.ofStep(step).length)) add(sample(view, "M7 8h.01M14 8h.01", "tl-dots"), "frame shown");
    if (has((step) => seconds(view.question, step).hits.length)) {
      add(sample(view, "M10 2l5 6l-5 6l-5-6z", "tl-diamonds"), "frame in the evidence");
    }
    if (has((step) => step.action === "skip")) add(swatch("tl-skip", view.hatch), "skipped");
    if (has((step) => (step.claimed || []).length)) add(swatch("tl-claimed"), "the answer relies on it");
    if (has((step) => step.action === "zoom")) add(rates(), "bracket: 0.1, 1, 10 frames a second");
    if ((view.question.cuts || []).length) add(sample(view, "M10 11l4-7h-8z", "tl-cuts"), "cut");
    view.sizes.forEach((one, k) => {
      const mark = sample(view, "M2 14V4h16v10", `tl-zoom size-${k % 4}`);
      add(mark, Looks.sizeWords(one));
    });
    return list;
  }

  const key = (width, ...marks) =>
    Dom.svg("svg", { class: "tl-key", width, height: 16, viewBox: `0 0 ${width} 16`, "aria-hidden": "true" }, ...marks);
  const sample = (view, d, name) => key(20, Dom.svg("path", { class: name, d }));
  const swatch = (name, pattern) =>
    key(20, Dom.svg("rect", { class: name, x: 1, y: 2, width: 18, height: 12, ...(pattern ? { fill: `url(#${pattern})` } : {}) }));

  function rates() {
    const svg = Dom.svg("svg", { class: "tl-key", width: 46, height: 26, viewBox: "0 0 46 26", "aria-hidden": "true" });
    [0.1, 1, 10].forEach((rate, k) => {
      const d = `M${2 + 15 * k} 25v${fixed(-bracketHeight(rate))}h11v${fixed(bracketHeight(rate))}`;
      svg.append(Dom.svg("path", { class: "tl-zoom size-none", d }));
    });
    return svg;
  }

  return { HEIGHT, MIDDLE, draw, legend, bracketHeight, seconds };
})();
