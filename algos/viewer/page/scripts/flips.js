// Which questions one entry has right and another wrong: counts, the paired difference, and lists.
const Flips = (() => {
  const PAGE = 50; // questions that are shown at once
  const LISTS = ["a", "b", "wrong", "right"];
  const MARK = new Map([[true, "✓ right"], [false, "✗ wrong"]]);

  // Return what two entries made of the questions that both were asked.
  // rows: {count, get(key, i)}; where: null, or {column, value} that the questions are kept by.
  // Each list holds [row of A, row of B]; `difference` is A minus B, null without a judged question.
  function tally(rows, a, b, where) {
    const theirs = new Map();
    for (let i = 0; i < rows.count; i += 1) {
      const id = rows.get("entry", i) === b ? rows.get("id", i) : undefined;
      if (id !== undefined && !theirs.has(id)) theirs.set(id, i);
    }
    const lists = { a: [], b: [], wrong: [], right: [] };
    const seen = new Set();
    let unjudged = 0;
    let alone = 0;
    for (let i = 0; i < rows.count; i += 1) {
      if (rows.get("entry", i) !== a) continue;
      const id = rows.get("id", i);
      if (seen.has(id)) continue;
      seen.add(id);
      if (where && groupOf(rows, where.column, i) !== where.value) continue;
      const j = theirs.get(id);
      if (j === undefined) {
        alone += 1;
        continue;
      }
      const [ours, other] = [rows.get("verdict", i), rows.get("verdict", j)];
      if (typeof ours !== "boolean" || typeof other !== "boolean") unjudged += 1;
      else lists[ours ? (other ? "right" : "a") : other ? "b" : "wrong"].push([i, j]);
    }
    const judged = LISTS.reduce((sum, key) => sum + lists[key].length, 0);
    const difference = judged ? (lists.a.length - lists.b.length) / judged : null;
    return { lists, judged, unjudged, alone, difference };
  }

  const groupOf = (rows, column, i) => {
    const value = rows.get(column, i);
    return value === undefined || value === null ? "" : String(value);
  };

  // Return the columns that questions can be kept by, with their values: [[column, [value]]].
  function groups(rows, columns) {
    const found = [];
    for (const column of columns.filter((one) => one.kind === "category")) {
      const values = new Set();
      for (let i = 0; i < rows.count && values.size <= 200; i += 1) values.add(groupOf(rows, column.key, i));
      if (values.size > 1 && values.size <= 200) found.push([column, [...values].sort()]);
    }
    return found;
  }

  // The last tally is kept: stepping from flip to flip asks for the same one again and again.
  const kept = (make) => {
    let last = { key: "", found: null };
    return (...asked) => {
      const key = JSON.stringify([...asked, Data.rows.count]);
      if (last.key !== key) last = { key, found: make(...asked) };
      return last.found;
    };
  };
  const counted = kept((a, b, where) => tally(Data.rows, a, b, where));
  const known = kept(() => groups(Data.rows, Data.run.columns || []));

  // Which questions are kept, as the address says it: `only=COLUMN:VALUE`.
  function whereOf(state) {
    const at = (state.only || "").indexOf(":");
    const column = at < 0 ? "" : state.only.slice(0, at);
    const usable = (Data.run.columns || []).some((one) => one.key === column && one.kind === "category");
    return usable ? { column, value: state.only.slice(at + 1) } : null;
  }

  const titleOf = (key) => {
    const entry = (Data.run.entries || []).find((one) => one.key === key);
    return entry ? entry.title : key;
  };

  const names = (count) => ({
    a: `A right, B wrong (${count("a")})`,
    b: `B right, A wrong (${count("b")})`,
    wrong: `Wrong in both (${count("wrong")})`,
    right: `Right in both (${count("right")})`,
  });

  // Return the ids of the list that the address names, in the order of the rows.
  function idsOf(state) {
    const found = counted(state.e, state.f, whereOf(state));
    return found.lists[listOf(state, found)].map(([i]) => Data.rows.get("id", i));
  }

  // The list that is open: the one that the address names, else the first that holds a question.
  function listOf(state, found) {
    if (LISTS.includes(state.list)) return state.list;
    return ["b", "a", "wrong"].find((key) => found.lists[key].length) || "right";
  }

  // Return the id that comes `by` places after `id` in the list, or null at its end.
  function step(state, id, by) {
    const ids = idsOf(state);
    const at = ids.indexOf(id);
    if (at < 0) return ids.length ? ids[by > 0 ? 0 : ids.length - 1] : null;
    return ids[at + by] === undefined ? null : ids[at + by];
  }

  // Draw the counts, the choice of group and list, and the questions of the list.
  // options: {state, onList(list), onWhere(text)}.
  function list(container, { state, onList, onWhere }) {
    const where = whereOf(state);
    const found = counted(state.e, state.f, where);
    const open = listOf(state, found);
    const table = Dom.h("div", { class: "flip-table" });
    container.replaceChildren(summary(found, state, where), choices(found, open, where, onList, onWhere), table);
    drawPage(table, found.lists[open], state, pageOf(found.lists[open], state.q));
  }

  const pageOf = (pairs, id) => {
    const at = id ? pairs.findIndex(([i]) => Data.rows.get("id", i) === id) : -1;
    return Math.max(0, Math.floor(at / PAGE));
  };

  const signed = (share) => `${share > 0 ? "+" : share < 0 ? "−" : ""}${(100 * Math.abs(share)).toFixed(1)}`;

  // The interval that was computed over videos, for all questions of this pair.
  function intervalOf(a, b) {
    for (const one of Data.run.differences || []) {
      if (!one.interval) continue;
      if (one.a === a && one.b === b) return one.interval;
      if (one.a === b && one.b === a) return [-one.interval[1], -one.interval[0]];
    }
    return null;
  }

  function summary(found, state, where) {
    const counts = `${found.judged} question${found.judged === 1 ? "" : "s"} judged in both`;
    const rest = [
      found.unjudged ? `${found.unjudged} without a verdict in one or both` : "",
      found.alone ? `${found.alone} that only A was asked` : "",
    ].filter(Boolean);
    const line = Dom.h("p", { class: "flip-summary", role: "status" }, [counts, ...rest].join("; "), ". ");
    if (found.difference !== null) {
      const interval = where ? null : intervalOf(state.e, state.f);
      const ends = interval ? `, 95 % over videos ${signed(interval[0])} to ${signed(interval[1])}` : "";
      line.append(Dom.h("b", {}, `A minus B: ${signed(found.difference)} points`), `${ends}.`);
    }
    return line;
  }

  function choices(found, open, where, onList, onWhere) {
    const bar = Dom.h("div", { class: "flip-bar" });
    const words = names((key) => found.lists[key].length);
    const set = Dom.h("div", { class: "flip-lists", role: "group", "aria-label": "List of questions" });
    for (const key of LISTS) {
      const button = Dom.h("button", { type: "button", "aria-pressed": String(key === open) }, words[key]);
      button.addEventListener("click", () => onList(key));
      set.append(button);
    }
    bar.append(set);
    if (known().length) bar.append(groupChoice(known(), where, onWhere));
    return bar;
  }

  function groupChoice(all, where, onWhere) {
    const select = Dom.h("select", {});
    const add = (parent, value, text, chosen) => {
      const option = Dom.h("option", { value }, text);
      option.selected = chosen;
      parent.append(option);
    };
    add(select, "", "all questions", !where);
    for (const [column, values] of all) {
      const group = Dom.h("optgroup", { label: column.title });
      for (const value of values) {
        const chosen = Boolean(where && where.column === column.key && where.value === value);
        add(group, `${column.key}:${value}`, value || "not known", chosen);
      }
      select.append(group);
    }
    select.addEventListener("change", () => onWhere(select.value));
    return Dom.h("label", { class: "flip-group" }, "Group ", select);
  }

  function drawPage(container, pairs, state, page) {
    const last = Math.max(0, Math.ceil(pairs.length / PAGE) - 1);
    const shown = pairs.slice(page * PAGE, (page + 1) * PAGE);
    if (!pairs.length) {
      container.replaceChildren(Dom.h("p", { class: "note" }, "No question is in this list."));
      return;
    }
    const head = ["Question", "Answer of A", "Answer of B", "Right answer"];
    const body = Dom.h("tbody", {}, ...shown.map((pair) => line(pair, state)));
    const heads = Dom.h("tr", {}, ...head.map((text) => Dom.h("th", { scope: "col", class: "left" }, text)));
    const table = Dom.h("table", {}, Dom.h("thead", {}, heads), body);
    const scroll = Dom.h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Questions of this list" }, table);
    container.replaceChildren(scroll);
    if (last > 0) container.append(pager(page, last, (next) => drawPage(container, pairs, state, next)));
  }

  function line([i, j], state) {
    const id = Data.rows.get("id", i);
    const href = State.link({ view: "compare", q: id, e: state.e, f: state.f, turn: "", t: "", w: "" });
    const question = Dom.h("a", { href }, Data.rows.get("question", i) || id);
    if (id === state.q) question.setAttribute("aria-current", "true");
    const answer = (row) => {
      const text = Data.rows.get("prediction", row);
      return Dom.h("td", { class: "left" }, MARK.get(Data.rows.get("verdict", row)) || "", `: ${text || "no answer"}`);
    };
    const gold = Dom.h("td", { class: "left" }, Data.rows.get("gold", i) || "");
    return Dom.h("tr", {}, Dom.h("th", { scope: "row" }, question), answer(i), answer(j), gold);
  }

  function pager(page, last, go) {
    const button = (text, to) => {
      const made = Dom.h("button", { type: "button" }, text);
      made.disabled = to < 0 || to > last;
      made.addEventListener("click", () => go(to));
      return made;
    };
    const words = Dom.h("span", { role: "status" }, `page ${page + 1} of ${last + 1}`);
    return Dom.h("div", { class: "flip-pager" }, button("Previous page", page - 1), words, button("Next page", page + 1));
  }

  return { tally, groups, list, step, idsOf, titleOf, signed };
})();
