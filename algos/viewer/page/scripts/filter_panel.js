// What a reader filters with: a dialog for each column, and what is filtered now, to be taken away.
const FilterPanel = (() => {
  const MANY = 200; // values listed at most
  const VERDICTS = [[true, "right", "✓ right"], [false, "wrong", "✗ wrong"]];
  const CELLS = [
    ["grounded", "right", "seen", "right, and a frame of the evidence was shown"],
    ["lucky", "right", "unseen", "right without a frame of the evidence"],
    ["misread", "wrong", "seen", "wrong although a frame of the evidence was shown"],
    ["missed", "wrong", "unseen", "wrong, and no frame of the evidence was shown"],
  ];

  // Change the terms of the address; `replace` while somebody types.
  function change(edit, replace = false) {
    const terms = Filters.parse(State.get().filter);
    edit(terms);
    State.set({ filter: Filters.format(terms) }, { replace });
  }

  const put = (column, test, replace) =>
    change((terms) => (test ? terms.columns.set(column.key, test) : terms.columns.delete(column.key)), replace);

  // Open the dialog of one column; focus goes back to the button that asked for it.
  async function open(column) {
    const test = Filters.parse(State.get().filter).columns.get(column.key) || null;
    const before = State.get();
    const dialog = Dom.h("dialog", { class: "filter-dialog", "aria-label": `Filter ${column.title}` });
    const clear = () => {
      put(column, null, true);
      dialog.close();
    };
    dialog.append(Dom.h("h3", {}, column.title), column.about ? Dom.h("p", { class: "note" }, column.about) : "",
      await fields(column, test),
      Dom.h("div", { class: "buttons" }, Dom.h("button", { type: "button", onclick: clear }, "No filter"),
        Dom.h("button", { type: "button", onclick: () => dialog.close() }, "Done")));
    dialog.addEventListener("close", () => {
      dialog.remove();
      settle(before);
      const button = document.querySelector(`.head [data-key="${CSS.escape(column.key)}"] + .filter`);
      if (button) button.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  // One step of the back button for all that was done in a dialog.
  function settle(before) {
    const after = State.get();
    if (after.filter === before.filter) return;
    State.set({ filter: before.filter || null }, { replace: true });
    State.set({ filter: after.filter || null });
  }

  function fields(column, test) {
    if (column.kind === "number" || column.kind === "seconds") return ranges(column, test);
    if (column.kind === "text") return containing(column, test);
    return boxes(column, test);
  }

  function containing(column, test) {
    const input = Dom.h("input", { type: "search", value: test ? test.text : "", autofocus: true });
    input.addEventListener("input", () => put(column, input.value ? { text: input.value } : null, true));
    return Dom.h("label", {}, "contains ", input);
  }

  function ranges(column, test) {
    const shown = (x) => (Number.isFinite(x) ? String(x) : "");
    const values = Columns.numbers(column.key).filter((x) => !Number.isNaN(x));
    const [least, most] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    const make = (name, text) => Dom.h("input", { type: "text", inputmode: "decimal", "aria-label": `${name} ${column.title}`, size: "9", value: text });
    const low = make("least", test ? shown(test.low) : "");
    const high = make("most", test ? shown(test.high) : "");
    const said = Dom.h("p", { class: "note", role: "status" });
    const read = () => {
      const [from, to] = [low, high].map((one) => (one.value.trim() === "" ? null : Filters.quantity(one.value.trim())));
      const wrong = Number.isNaN(from) || Number.isNaN(to);
      said.textContent = wrong ? "Not a number or a time like 1:30." : "";
      if (wrong) return;
      const none = from === null && to === null;
      put(column, none ? null : { low: from === null ? -Infinity : from, high: to === null ? Infinity : to }, true);
    };
    for (const one of [low, high]) one.addEventListener("input", read);
    const format = column.kind === "seconds" ? Dom.clock : (x) => Dom.number(x, 4);
    const words = values.length ? `Values from ${format(least)} to ${format(most)}.` : "No row has a value.";
    return Dom.h("div", {}, Dom.h("p", {}, "from ", low, " to ", high), Dom.h("p", { class: "note" }, words), said);
  }

  async function boxes(column, test) {
    const counts = await Selection.counts(column.key);
    const names = column.kind === "verdict" ? VERDICTS : [...counts.keys(), ...(test ? test.values : [])]
      .filter((value) => value !== null).map((value) => [value, String(value), Columns.called(column, value)]);
    const options = [...new Map(names.map((one) => [one[1], one]))].map(([, one]) => one);
    if (column.kind !== "verdict") options.sort((a, b) => (counts.get(b[0]) || 0) - (counts.get(a[0]) || 0) || Columns.natural(a[1], b[1]));
    const kept = test ? new Set(test.values) : new Set();
    let missing = Boolean(test && test.missing);
    const tell = () => put(column, kept.size || missing ? { values: kept, missing } : null, true);
    const box = (label, count, on, act) => {
      const input = Dom.h("input", { type: "checkbox" });
      input.checked = on;
      input.addEventListener("change", () => {
        act(input.checked);
        tell();
      });
      return Dom.h("label", { class: "choice" }, input, ` ${label} `, Dom.h("span", { class: "note" }, Dom.number(count || 0)));
    };
    const list = options.slice(0, MANY).map(([value, name, label]) =>
      box(label, counts.get(value), kept.has(name), (on) => (on ? kept.add(name) : kept.delete(name))));
    const none = column.kind === "verdict" ? "? not judged" : "no value";
    if (counts.has(null) || missing) list.push(box(none, counts.get(null), missing, (on) => (missing = on)));
    const left = options.length - MANY;
    return Dom.h("div", { class: "choices-list" }, list, left > 0 ? Dom.h("p", { class: "note" }, `and ${left} rarer ones`) : "");
  }

  // What is filtered now, each with a button that takes it away.
  function chips(terms) {
    const made = [];
    const chip = (words, edit) => made.push(Dom.h("button", { type: "button", class: "filter-chip", "aria-label": `Remove filter ${words}`,
      onclick: () => change(edit) }, words, Dom.h("span", { "aria-hidden": "true" }, " ✕")));
    if (terms.evidence) chip(`evidence ${terms.evidence}`, (all) => (all.evidence = null));
    for (const [key, test] of terms.columns)
      chip(`${Columns.find(key).title}: ${told(Columns.find(key), test)}`, (all) => all.columns.delete(key));
    terms.words.forEach((word, k) => chip(`"${word}"`, (all) => all.words.splice(k, 1)));
    return made;
  }

  function told(column, test) {
    const format = column.kind === "seconds" ? Dom.clock : (x) => Dom.number(x, 4);
    if (test.text !== undefined) return `contains "${test.text}"`;
    if (test.values) return [...test.values, ...(test.missing ? ["none"] : [])].join(" or ");
    if (test.low === test.high) return format(test.low);
    if (!Number.isFinite(test.low)) return `at most ${format(test.high)}`;
    return Number.isFinite(test.high) ? `${format(test.low)} to ${format(test.high)}` : `at least ${format(test.low)}`;
  }

  // Right or wrong by whether the evidence was seen: four buttons with their counts.
  async function cells(terms) {
    if (!Columns.find(Filters.EVIDENCE) || !Columns.find("verdict")) return [];
    const recall = Columns.numbers(Filters.EVIDENCE);
    const verdict = terms.columns.get("verdict");
    const on = (name, seen) => terms.evidence === seen && verdict && verdict.values.size === 1 && verdict.values.has(name) && !verdict.missing;
    const cellOf = (i) => `${{ true: "right", false: "wrong" }[Data.rows.get("verdict", i)]} ${recall[i] > 0 ? "seen" : recall[i] <= 0 ? "unseen" : ""}`;
    const counts = await Selection.counts(cellOf, ["verdict", "evidence"]);
    return CELLS.map(([label, name, seen, words]) => {
      const pressed = Boolean(on(name, seen));
      const act = () => change((all) => {
        all.evidence = pressed ? null : seen;
        if (pressed) all.columns.delete("verdict");
        else all.columns.set("verdict", { values: new Set([name]), missing: false });
      });
      return Dom.h("button", { type: "button", class: "cell-filter", title: words, "aria-pressed": String(pressed), onclick: act },
        `${name === "right" ? "✓" : "✗"} ${label} `, Dom.h("b", {}, Dom.number(counts.get(`${name} ${seen}`) || 0)));
    });
  }

  return { open, chips, cells, change };
})();
