// One turn as a card: what was done, what it cost, what it brought, and every text of it.
const TurnCard = (() => {
  const known = (value) => value !== undefined && value !== null;
  const signed = (x, digits = 3) => `${x > 0 ? "+" : x < 0 ? "−" : ""}${Dom.number(Math.abs(x), digits)}`;

  // `view` has question, episode, scale (the largest sum of reward terms of a turn), time, onTurn,
  // onTime; `before` is the turn before. -> {element, strip, open()}
  function create(view, step, before) {
    const { question, episode } = view;
    const own = Looks.ofTurn(question, episode, step.turn);
    const strip = own.length
      ? Frames.strip(question, step, { episode, time: view.time, onTime: (second) => view.onTime(second, step.turn) })
      : null;
    const element = Dom.h("article", {
      class: "turn", id: `turn-${step.turn}`, "aria-labelledby": `turn-${step.turn}-name`,
      "data-turn": String(step.turn),
    }, heading(view, step), facts(question, step, own), rewards(view, step), ...texts(step),
    strip && strip.element, ...folds(view, step, before));
    return { element, strip, turn: step.turn };
  }

  function heading(view, step) {
    const { question } = view;
    const name = step.turn === 0 ? "Overview" : `Turn ${step.turn}`;
    const button = Dom.h("button", { type: "button", class: "turn-name", onclick: () => view.onTurn(step.turn) }, name);
    const parts = step.turn === 0 ? [] : [chip(step.action)];
    if (step.span) parts.push(jump(view, step));
    if (step.box) parts.push(Dom.h("span", { class: "turn-box" }, "box ", Looks.boxWords(step.box)));
    const size = Looks.ofStep(step).length ? Looks.sizeOf(question, step) : null;
    if (size) parts.push(Dom.h("span", { class: "turn-size" }, Looks.sizeWords(size)));
    const rate = Looks.rate(step);
    if (rate !== null) parts.push(Dom.h("span", { class: "turn-rate" }, rateWords(rate)));
    return Dom.h("header", { class: "turn-head" },
      Dom.h("h4", { id: `turn-${step.turn}-name` }, button), ...parts);
  }

  const chip = (action) =>
    Dom.h("span", { class: `chip chip-${Looks.kind(action)}` }, Looks.shape(action), action.replaceAll("_", " "));

  const jump = (view, step) =>
    Dom.h("button", {
      type: "button", class: "turn-span", title: "Put the cursor at its start",
      onclick: () => view.onTime(step.span[0], step.turn),
    }, Looks.spanWords(step.span));

  function rateWords(rate) {
    if (rate >= 0.1) return `${Dom.number(rate, 2)} frames a second`;
    return `${Dom.number(rate * 60, 2)} frames a minute`;
  }

  function facts(question, step, own) {
    const pairs = [];
    const add = (label, text) => pairs.push([label, text]);
    if (own.length) add("frames", frameWords(own, question));
    if (known(step.tokens)) add("tokens written", Dom.number(step.tokens, 0));
    if (known(step.prompt_tokens)) add("tokens read", Dom.number(step.prompt_tokens, 0));
    if (known(step.seconds)) add("time", `${Dom.number(step.seconds, 3)} s`);
    if (known(step.cost)) add("cost", `$${Dom.number(step.cost, 4)}`);
    if (known(step.credit)) add("credit", `${signed(step.credit)} nats`);
    if (known(step.value)) add("value", Dom.number(step.value, 3));
    if (known(step.advantage)) add("advantage", signed(step.advantage));
    if ((step.claimed || []).length) add("relies on", step.claimed.map(Looks.spanWords).join(", "));
    for (const [label, text] of Object.entries(step.extra || {})) add(label, text);
    if (!pairs.length) return null;
    return Dom.h("dl", { class: "facts" }, ...pairs.flatMap(([label, text]) =>
      [Dom.h("div", {}, Dom.h("dt", {}, label), Dom.h("dd", {}, text))]));
  }

  function frameWords(own, question) {
    const seen = own.filter((frame) => frame.seen !== null).length;
    const hits = own.filter((frame) => frame.hit).length;
    const parts = [`${Dom.number(own.length, 0)}: ${own.length - seen} new`];
    if (seen) parts.push(`${seen} seen before`);
    if (Looks.evidence(question).length && !own.some(({ step }) => step.elsewhere)) parts.push(`${hits} in the evidence`);
    return parts.join(", ");
  }

  // Terms of the reward as parts of one bar around zero, and every number beside it.
  function rewards(view, step) {
    const terms = Object.entries(step.reward_terms || {});
    if (!known(step.reward) && !terms.length) return null;
    const sum = known(step.reward) ? step.reward : terms.reduce((all, [, x]) => all + x, 0);
    const words = terms.map(([name, x], k) =>
      Dom.h("li", {}, Dom.h("span", { class: `swatch term-${k % 4}`, "aria-hidden": "true" }), `${name} `, Dom.h("b", {}, signed(x))));
    return Dom.h("div", { class: "rewards" },
      Dom.h("span", {}, "reward ", Dom.h("b", {}, signed(sum))),
      terms.some(([, x]) => x !== 0) ? bar(terms, view.scale) : null,
      terms.length ? Dom.h("ul", {}, ...words) : null);
  }

  function bar(terms, scale) {
    const [width, high] = [160, 14];
    const svg = Dom.svg("svg", { class: "reward-bar", viewBox: `0 0 ${width} ${high}`, width, height: high, "aria-hidden": "true" });
    const ends = { up: width / 2, down: width / 2 };
    terms.forEach(([, x], k) => {
      const wide = (Math.abs(x) / (scale || 1)) * (width / 2 - 1);
      const left = x >= 0 ? ends.up : ends.down - wide;
      if (x >= 0) ends.up += wide;
      else ends.down -= wide;
      svg.append(Dom.svg("rect", { class: `term-${k % 4}`, x: left, y: 2, width: wide, height: high - 4 }));
    });
    svg.append(Dom.svg("path", { class: "zero", d: `M${width / 2} 0V${high}` }));
    return svg;
  }

  // The largest sum of reward terms, on either side of zero: the length of the bars.
  function scaleOf(episode) {
    let most = 0;
    for (const step of Looks.steps(episode)) {
      const all = Object.values(step.reward_terms || {});
      const side = (sign) => all.reduce((sum, x) => sum + Math.max(sign * x, 0), 0);
      most = Math.max(most, side(1), side(-1));
    }
    return most || 1;
  }

  function texts(step) {
    const made = [];
    if (step.reason) made.push(Dom.h("p", { class: "turn-reason" }, Dom.h("b", {}, "From the environment: "), step.reason));
    if (step.thought) made.push(labelled("thought", "Thought", step.thought));
    if (step.call) made.push(labelled("call", "Action as written", step.call));
    if (step.told) {
      made.push(Dom.h("figure", { class: "told" },
        Dom.h("figcaption", {}, "What came back. Data from outside, not the policy's words:"),
        Dom.h("pre", {}, step.told)));
    }
    return made;
  }

  const labelled = (name, label, text) =>
    Dom.h("div", { class: name }, Dom.h("span", { class: "label" }, label), Dom.h("pre", {}, text));

  // What is asked for is made when it is opened.
  function folds(view, step, before) {
    const made = [];
    const add = (name, make) => made.push(fold(name, make));
    if (known(step.prompt)) add(before ? "What it read: difference to the turn before" : "What it read", () => Prompt.view(step, before));
    if (known(step.raw) && step.raw !== "") add("All that it wrote", () => Dom.h("pre", {}, step.raw));
    if (step.pieces && typeof Tokens !== "undefined") add("Tokens, one by one", () => tokens(view, step));
    if ((view.episode.commands || []).length && typeof WhatIf !== "undefined") {
      add("What if: play again from here", () => WhatIf.panel(view.question, view.episode, step.turn));
    }
    return made;
  }

  const tokens = (view, step) =>
    Tokens.view(step.pieces, { measure: view.measure, onMeasure: (measure) => { view.measure = measure; } });

  const unfilled = new WeakMap(); // details -> what it will hold, until it is opened

  function fold(name, make) {
    const details = Dom.h("details", { class: "fold" }, Dom.h("summary", {}, name));
    unfilled.set(details, make);
    details.addEventListener("toggle", () => details.open && fill(details));
    return details;
  }

  function fill(details) {
    const make = unfilled.get(details);
    unfilled.delete(details);
    const made = make && make();
    if (made) details.append(made.element || made);
  }

  // Open everything at once, for paper.
  function openAll(element) {
    for (const details of element.querySelectorAll("details.fold")) {
      fill(details);
      details.open = true;
    }
  }

  return { create, scaleOf, chip, signed, openAll };
})();
