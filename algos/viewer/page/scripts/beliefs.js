// What the policy believed, turn by turn, and what each turn's frames were worth.
//
// Beliefs.panel(question, episode, {turn, onTurn}) -> {update({turn}), element}, or null
const Beliefs = (() => {
  const [WIDE, HIGH, LEFT, RIGHT, TOP, FOOT] = [340, 150, 34, 66, 10, 22];
  const DOTTED = 40; // points: a line of more has no marks on it
  const DASHES = ["", "6 3", "2 3", "8 3 2 3", "1 4"];
  const fixed = (x) => String(Math.round(x * 100) / 100);
  const known = (value) => value !== undefined && value !== null;
  const letter = (k) => (k < 26 ? String.fromCharCode(65 + k) : String(k + 1));

  function panel(question, episode, options) {
    const view = { question, episode, turn: null, onTurn: () => {}, ...options, charts: [] };
    view.steps = Looks.steps(episode);
    const parts = [beliefs(view), bars(view)].filter(Boolean);
    if (!parts.length) return null;
    const element = Dom.h("section", { class: "beliefs", "aria-label": "Beliefs and credit" }, ...parts);
    mark(view);
    return { element, update: ({ turn }) => { view.turn = turn; mark(view); } };
  }

  // Places of the turns from left to right.
  function across(view, steps) {
    const [first, last] = [steps[0].turn, steps[steps.length - 1].turn];
    return (turn) => LEFT + ((turn - first) / Math.max(last - first, 1)) * (WIDE - LEFT - RIGHT);
  }

  function chart(view, steps, high, words, marks) {
    const x = across(view, steps);
    const here = Dom.svg("path", { class: "here" });
    const svg = Dom.svg("svg", { class: "plot", viewBox: `0 0 ${WIDE} ${high}`, role: "img", "aria-label": words }, here, ...marks(x), ...turnTicks(steps, x, high));
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * WIDE;
      const near = steps.reduce((best, step) => (Math.abs(x(step.turn) - at) < Math.abs(x(best.turn) - at) ? step : best));
      view.onTurn(near.turn);
    });
    view.charts.push({ here, x, high, steps });
    return svg;
  }

  // At most six numbers of turns under a chart.
  function turnTicks(steps, x, high) {
    const every = Math.max(Math.ceil((steps.length - 1) / 5), 1);
    return steps.filter((_, k) => k % every === 0).map(({ turn }) =>
      Dom.svg("text", { class: "axis", x: fixed(x(turn)), y: high - 6, "text-anchor": "middle" }, String(turn)));
  }

  function mark(view) {
    for (const { here, x, high, steps } of view.charts) {
      const on = steps.some((step) => step.turn === view.turn);
      here.setAttribute("d", on ? `M${fixed(x(view.turn))} ${TOP}V${high - FOOT}` : "");
    }
  }

  function beliefs(view) {
    const steps = view.steps.filter((step) => (step.beliefs || []).length);
    if (!steps.length) return null;
    const count = Math.max(...steps.map((step) => step.beliefs.length));
    const names = Array.from({ length: count }, (_, k) => (view.question.choices || [])[k] || letter(k));
    const y = (share) => TOP + (1 - share) * (HIGH - TOP - FOOT);
    const svg = chart(view, steps, HIGH, beliefWords(view, steps, names), (x) => [
      ...[0, 0.5, 1].flatMap((share) => [
        Dom.svg("path", { class: "grid", d: `M${LEFT} ${fixed(y(share))}H${WIDE - RIGHT}` }),
        Dom.svg("text", { class: "axis", x: LEFT - 4, y: y(share) + 4, "text-anchor": "end" }, Dom.percent(share))]),
      ...names.map((_, k) => line(view, steps, k, x, y)), ...endLabels(view, steps, count, y),
    ]);
    return Dom.h("figure", {}, Dom.h("figcaption", {}, "Belief over the choices before each turn"), svg, legend(view, names),
      table(["turn", ...names], steps.map((step) => [String(step.turn), ...names.map((_, k) => Dom.percent(step.beliefs[k]))]), "Belief by turn"));
  }

  function line(view, steps, k, x, y) {
    const gold = k === view.question.gold_choice;
    const points = steps.filter((step) => known(step.beliefs[k])).map((step) => [x(step.turn), y(step.beliefs[k])]);
    const d = points.map(([a, b], n) => `${n ? "L" : "M"}${fixed(a)} ${fixed(b)}`).join("");
    const group = Dom.svg("g", { class: `series s${k % 4}${gold ? " gold-line" : ""}` },
      Dom.svg("path", { class: "curve", d, "stroke-dasharray": DASHES[k % DASHES.length] }));
    if (points.length <= DOTTED) {
      const shape = gold ? "m0-5l5 5l-5 5l-5-5z" : "m-2.5-2.5h5v5h-5z";
      group.append(Dom.svg("path", { class: "points", d: points.map(([a, b]) => `M${fixed(a)} ${fixed(b)}${shape}`).join("") }));
    }
    return group;
  }

  // Letter and share of each choice at the right end, moved apart where they would overlap.
  function endLabels(view, steps, count, y) {
    const last = steps[steps.length - 1].beliefs;
    const ends = Array.from({ length: count }, (_, k) => ({ k, share: last[k] })).filter((one) => known(one.share));
    ends.sort((a, b) => b.share - a.share);
    const shown = ends.slice(0, 9);
    const places = [];
    shown.forEach(({ share }, n) => places.push(Math.max(y(share) + 4, n ? places[n - 1] + 12 : 0)));
    for (let n = shown.length - 1, most = HIGH - FOOT + 4; n >= 0; n -= 1, most = places[n + 1] - 12) {
      places[n] = Math.min(places[n], most);
    }
    return shown.map(({ k, share }, n) => {
      const gold = k === view.question.gold_choice ? " ◆" : "";
      return Dom.svg("text", { class: "end", x: WIDE - RIGHT + 6, y: fixed(places[n]) }, `${letter(k)} ${Dom.percent(share)}${gold}`);
    });
  }

  const legend = (view, names) =>
    Dom.h("ul", { class: "belief-legend" }, ...names.map((name, k) => Dom.h("li", {},
      Dom.svg("svg", { class: `series s${k % 4}${k === view.question.gold_choice ? " gold-line" : ""}`, width: 22, height: 10, "aria-hidden": "true" },
        Dom.svg("path", { class: "curve", d: "M0 5H22", "stroke-dasharray": DASHES[k % DASHES.length] })),
      `${letter(k)} ${name}`, k === view.question.gold_choice ? Dom.h("b", {}, " ◆ gold") : null)));

  function beliefWords(view, steps, names) {
    const gold = view.question.gold_choice;
    const [first, last] = [steps[0], steps[steps.length - 1]];
    const parts = [`Belief over ${names.length} choices by turn.`];
    if (known(gold)) parts.push(`The right one, ${names[gold]}: ${Dom.percent(first.beliefs[gold])} before turn ${first.turn}, ${Dom.percent(last.beliefs[gold])} before turn ${last.turn}.`);
    return `${parts.join(" ")} All numbers are in the table below.`;
  }

  // Credit of each turn's frames as bars around zero.
  function bars(view) {
    const steps = view.steps.filter((step) => known(step.credit));
    if (!steps.length) return null;
    const most = steps.reduce((all, step) => Math.max(all, Math.abs(step.credit)), 0) || 1;
    const high = 90;
    const middle = (TOP + high - FOOT) / 2;
    const wide = Math.max(Math.min(18, (WIDE - LEFT - RIGHT) / steps.length - 1), 1);
    const words = `Credit of the frames by turn, in nats: ${steps.slice(0, 20).map((step) => `${Looks.turnWords(step.turn)} ${TurnCard.signed(step.credit, 2)}`).join(", ")}.`;
    const svg = chart(view, steps, high, words, (x) => [
      Dom.svg("path", { class: "grid", d: `M${LEFT} ${middle}H${WIDE - RIGHT}` }),
      ...steps.map((step) => creditBar(step, x(step.turn), middle, (Math.abs(step.credit) / most) * (middle - TOP), wide)),
    ]);
    return Dom.h("figure", {}, Dom.h("figcaption", {}, "Step credit", Dom.h("small", {}, " (nats that the answer would lose without the frames of the turn)")), svg,
      table(["turn", "credit, nats"], steps.map((step) => [String(step.turn), TurnCard.signed(step.credit)]), "Credit by turn"));
  }

  const creditBar = (step, x, middle, tall, wide) =>
    Dom.svg("rect", {
      class: step.credit >= 0 ? "credit-up" : "credit-down", x: fixed(x - wide / 2), width: fixed(wide),
      y: fixed(step.credit >= 0 ? middle - tall : middle), height: fixed(Math.max(tall, 0.5)),
    });

  function table(header, lines, caption) {
    const details = Dom.h("details", {}, Dom.h("summary", {}, "As numbers"));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      const cell = (tag, text, extra = {}) => Dom.h(tag, extra, text);
      details.append(Dom.h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, Dom.h("table", {},
        Dom.h("thead", {}, Dom.h("tr", {}, ...header.map((text) => cell("th", text, { scope: "col" })))),
        Dom.h("tbody", {}, ...lines.slice(0, 1000).map(([first, ...rest]) =>
          Dom.h("tr", {}, cell("th", first, { scope: "row" }), ...rest.map((text) => cell("td", text))))))));
    });
    return details;
  }

  return { panel };
})();
