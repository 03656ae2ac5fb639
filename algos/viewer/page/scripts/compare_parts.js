// The parts of the view that compares two entries: question, measures, turns side by side, beliefs.
const CompareParts = (() => {
  const VERDICTS = new Map([[true, "✓ right"], [false, "✗ wrong"]]);
  // What is set against each other: key of the row, label, digits.
  const MEASURES = [
    ["turns", "Turns", 0],
    ["frames", "Frames shown", 0],
    ["evidence_recall", "Evidence seen (share)", 2],
    ["evidence_precision", "Frames in the evidence (share)", 2],
    ["tokens", "Tokens sampled", 0],
    ["prompt_tokens", "Tokens read", 0],
    ["seconds", "Seconds", 1],
    ["cost", "US dollars", 4],
    ["reward", "Reward", 3],
  ];
  const known = (value) => value !== undefined && value !== null && value !== "";

  function asked(question, rows) {
    const box = Dom.h("div", { class: "cmp-asked" });
    const row = rows.find((one) => one !== undefined && one !== null && one >= 0);
    const text = (question && question.question) || (row !== undefined && Data.rows.get("question", row)) || State.get().q;
    box.append(Dom.h("p", { class: "question" }, text));
    const choices = (question && question.choices) || [];
    if (choices.length) {
      const items = choices.map((choice, k) => {
        const right = k === question.gold_choice;
        return Dom.h("li", { class: right ? "gold" : "" }, choice, right ? " ✓ (right answer)" : "");
      });
      box.append(Dom.h("ol", { class: "choices" }, ...items));
    } else if (question && known(question.gold)) {
      box.append(Dom.h("p", {}, "Right answer: ", Dom.h("b", {}, question.gold)));
    }
    return box;
  }

  // Value of a measure: of the episode's own row, else of the table, else the sum over its turns.
  function valueOf(key, row, episode) {
    const own = episode && episode.row ? episode.row[key] : undefined;
    if (known(own)) return own;
    const found = row === undefined || row === null || row < 0 ? undefined : Data.rows.get(key, row);
    if (known(found)) return found;
    return key === "reward" && episode ? total(episode.steps || [], "reward") : null;
  }

  function total(steps, key) {
    const values = steps.map((step) => step[key]).filter(known);
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
  }

  function verdictOf(row, episode) {
    if (episode) return Verdict.words(episode).text;
    if (row < 0) return "not asked";
    return VERDICTS.get(Data.rows.get("verdict", row)) || "not judged";
  }

  // The table of verdicts, answers and costs, with A minus B where both are known.
  function measures(pair, rows, episodes) {
    const lines = [
      cells("Verdict", rows.map((row, k) => verdictOf(row, episodes[k])), ""),
      cells("Answer", rows.map((row, k) => answerOf(row, episodes[k])), ""),
    ];
    const why = episodes.map((one) => (one ? one.error || one.judge_words || one.rule || "" : ""));
    if (why.some(Boolean)) lines.push(cells("Decided by", why, ""));
    for (const [key, label, digits] of MEASURES) {
      const values = rows.map((row, k) => valueOf(key, row, episodes[k]));
      if (!values.some((value) => typeof value === "number")) continue;
      const both = values.every((value) => typeof value === "number");
      const shown = values.map((value) => (typeof value === "number" ? Dom.number(value, digits) : "not known"));
      lines.push(cells(label, shown, both ? signed(values[0] - values[1], digits) : ""));
    }
    const title = (key, name, episode) => {
      const text = `${name}: ${Flips.titleOf(key)}`;
      const href = State.link({ view: "question", e: key, turn: "", t: "", w: "" });
      return Dom.h("th", { scope: "col", class: "left" }, episode ? Dom.h("a", { href }, text) : text);
    };
    const head = Dom.h("tr", {}, Dom.h("td", {}), title(pair.e, "A", episodes[0]), title(pair.f, "B", episodes[1]), Dom.h("th", { scope: "col" }, "A minus B"));
    const table = Dom.h("table", { class: "cmp-measures" }, Dom.h("thead", {}, head), Dom.h("tbody", {}, ...lines));
    return Dom.h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Verdicts and costs" }, table);
  }

  function answerOf(row, episode) {
    const text = episode && known(episode.prediction) ? episode.prediction : row >= 0 ? Data.rows.get("prediction", row) : null;
    return known(text) ? text : "no answer";
  }

  function signed(value, digits) {
    const zero = Number(Math.abs(value).toFixed(digits)) === 0;
    return zero ? "0" : `${value > 0 ? "+" : "−"}${Dom.number(Math.abs(value), digits)}`;
  }

  function cells(label, values, difference) {
    const tds = values.map((value) => Dom.h("td", { class: "left" }, String(value)));
    return Dom.h("tr", {}, Dom.h("th", { scope: "row" }, label), ...tds, Dom.h("td", {}, difference));
  }

  const turnName = (turn) => (turn === 0 ? "the overview (turn 0)" : `turn ${turn}`);

  // Words on where two episodes part, with a link to that turn.
  function parting(aligned, first) {
    const { differ } = aligned.find((row) => row.turn === first);
    const jump = Dom.h("button", { type: "button", class: "cmp-jump" }, turnName(first));
    jump.addEventListener("click", () => State.set({ turn: first }, {}));
    return ["The first different turn is ", jump, `: ${Differences.inWords(differ)}.`];
  }

  // Turns of both, aligned by number. Returns {element, update({time, turn})}.
  function turns(question, episodes, aligned, first, { time, onTime }) {
    const strips = [];
    const items = aligned.map((row) => {
      const mark = row.turn === first ? Dom.h("span", { class: "cmp-mark" }, "◀ first different turn") : "";
      const how = row.differ.length ? `differs: ${Differences.inWords(row.differ)}` : "the same";
      const name = row.turn === 0 ? "Before the first turn" : `Turn ${row.turn}`;
      const head = Dom.h("h4", {}, name, " ", Dom.h("small", {}, how), " ", mark);
      const sides = [row.a, row.b].map((step, k) => side(question, episodes[k], step, k, { time, onTime, strips }));
      const same = row.differ.length ? "other" : "same";
      const item = Dom.h("li", { class: `cmp-turn ${same}${row.turn === first ? " first" : ""}` }, head, Dom.h("div", { class: "cmp-sides" }, ...sides));
      item.dataset.turn = String(row.turn);
      return item;
    });
    const list = Dom.h("ol", { class: "cmp-turns" }, ...items);
    let at = null;
    const update = ({ time: now, turn }) => {
      for (const strip of strips) strip.update({ time: now });
      for (const item of items) item.classList.toggle("active", item.dataset.turn === String(turn));
      if (turn !== at && turn !== null) {
        const found = items.find((item) => item.dataset.turn === String(turn));
        if (found) found.scrollIntoView({ block: "nearest" });
      }
      at = turn;
    };
    return { element: Dom.h("section", { class: "cmp-list", "aria-label": "Turns side by side" }, Dom.h("h3", {}, "Turns side by side"), list), update };
  }

  // What one of the two did in a turn.
  function side(question, episode, step, k, { time, onTime, strips }) {
    const name = k === 0 ? "A" : "B";
    const box = Dom.h("div", { class: `cmp-side of-${name.toLowerCase()}` });
    box.append(Dom.h("span", { class: "cmp-name" }, name));
    if (!step) {
      box.append(Dom.h("p", { class: "note" }, "no such turn"));
      return box;
    }
    box.append(Dom.h("p", { class: "cmp-did" }, Dom.h("b", {}, step.action.replaceAll("_", " ")), ` ${about(episode, step)}`));
    if (step.reason) box.append(Dom.h("p", { class: "note" }, step.reason));
    if (step.thought) {
      const words = Dom.h("details", {}, Dom.h("summary", {}, "thought"), Dom.h("pre", {}, step.thought));
      box.append(words);
    }
    if ((step.frames || []).length) {
      const strip = Frames.strip(question, step, { episode, time, onTime });
      strips.push(strip);
      box.append(strip.element);
    }
    return box;
  }

  function about(episode, step) {
    const parts = [];
    if (step.action === "answer") parts.push(known(episode.prediction) ? episode.prediction : step.call || "");
    if (step.span && step.action !== "overview") parts.push(`${Dom.clock(step.span[0])} to ${Dom.clock(step.span[1])}`);
    if (step.box) parts.push(`box ${step.box.map((edge) => `${Math.round(100 * edge)} %`).join(", ")}`);
    const count = (step.frames || []).length;
    if (count) parts.push(`${count} frame${count === 1 ? "" : "s"}`);
    if (known(step.tokens)) parts.push(`${step.tokens} token${step.tokens === 1 ? "" : "s"}`);
    if (known(step.reward)) parts.push(`reward ${Dom.number(step.reward, 3)}`);
    return parts.join(" · ");
  }

  // Beliefs of both before each turn: in the right choice, and where they differ most. Null without.
  function beliefs(question, aligned) {
    const choices = question.choices || [];
    const both = aligned.filter(({ a, b }) => a && b && (a.beliefs || []).length && (b.beliefs || []).length === a.beliefs.length);
    if (!both.length) return null;
    const gold = question.gold_choice;
    const heads = ["Turn", ...(known(gold) ? ["Right choice: A", "B", "A minus B"] : []), "Largest difference", "A minus B"];
    const lines = both.map(({ turn, a, b }) => {
      const gaps = a.beliefs.map((value, k) => value - b.beliefs[k]);
      const most = gaps.reduce((best, gap, k) => (Math.abs(gap) > Math.abs(gaps[best]) ? k : best), 0);
      const own = known(gold) ? [Dom.percent(a.beliefs[gold]), Dom.percent(b.beliefs[gold]), Flips.signed(gaps[gold])] : [];
      const cellsOf = [...own, choices[most] || `choice ${most + 1}`, Flips.signed(gaps[most])];
      return Dom.h("tr", {}, Dom.h("th", { scope: "row" }, String(turn)), ...cellsOf.map((text) => Dom.h("td", {}, text)));
    });
    const head = Dom.h("tr", {}, ...heads.map((text) => Dom.h("th", { scope: "col" }, text)));
    const table = Dom.h("table", {}, Dom.h("thead", {}, head), Dom.h("tbody", {}, ...lines));
    const scroll = Dom.h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Beliefs by turn" }, table);
    return Dom.h("section", { class: "cmp-beliefs", "aria-label": "Beliefs" }, Dom.h("h3", {}, "Beliefs before each turn (percent, points)"), scroll);
  }

  return { asked, measures, parting, turns, beliefs, total };
})();
