// A small line of one number over turns or tokens: its course at a glance, its ends in words.
//
// Sparkline.ofTurns(steps, {onTurn}) -> element or null: the critic's value and the advantage of each
// turn, where two or more are known.
const Sparkline = (() => {
  const [WIDE, HIGH, EDGE] = [150, 34, 4];
  const SHOWN = [["value", "value", "s2"], ["advantage", "advantage", "s3"]];

  function ofTurns(steps, options = {}) {
    const made = SHOWN.map(([key, title, colour]) => row(steps, key, title, colour, options)).filter(Boolean);
    return made.length ? Dom.h("div", { class: "sparklines" }, ...made) : null;
  }

  function row(steps, key, title, colour, options) {
    const points = steps.map((step) => [step.turn, step[key]]).filter(([, x]) => TokenScales.known(x));
    if (points.length < 2) return null;
    const text = points.map(([turn, x]) => `turn ${turn}: ${TokenScales.short(x)}`).join(", ");
    const last = points[points.length - 1];
    return Dom.h("figure", { class: `sparkline ${colour}` },
      Dom.h("figcaption", {}, title),
      drawing(points, `${title} by turn: ${text}`, options),
      Dom.h("span", { class: "sparkline-end" }, `${TokenScales.short(points[0][1])} to ${TokenScales.short(last[1])}`));
  }

  // Zero is always in the picture, as a line: the sign of a number can be seen.
  function drawing(points, label, options) {
    const least = points.reduce((a, [, x]) => Math.min(a, x), 0);
    const most = points.reduce((a, [, x]) => Math.max(a, x), 0);
    const [first, last] = [points[0][0], points[points.length - 1][0]];
    const across = (turn) => EDGE + ((turn - first) / (last - first || 1)) * (WIDE - 2 * EDGE);
    const down = (x) => HIGH - EDGE - ((x - least) / (most - least || 1)) * (HIGH - 2 * EDGE);
    const path = points.map(([turn, x], k) => `${k ? "L" : "M"}${across(turn).toFixed(1)} ${down(x).toFixed(1)}`).join("");
    const marks = points.map(([turn, x]) =>
      Dom.svg("circle", {
        class: "mark", cx: across(turn).toFixed(1), cy: down(x).toFixed(1), r: 3,
        onclick: options.onTurn && (() => options.onTurn(turn)),
      }));
    return Dom.svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, role: "img", "aria-label": label },
      Dom.svg("path", { class: "grid", d: `M0 ${down(0).toFixed(1)}H${WIDE}` }),
      Dom.svg("path", { class: "line", d: path }), ...marks);
  }

  return { ofTurns };
})();
