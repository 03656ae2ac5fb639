// Questions by updates as one picture: right, wrong, frames or turns in every cell; a table beside it.
const HeatStrip = (() => {
  const MOST = 400; // questions that are drawn; a note says how many are left out
  const PAGE = 40; // lines of the table that are in the page at once
  const HIGH = 11; // pixels of a cell
  const HEAD = 16; // of the numbers above
  const MARKS = new Map([[true, "✓"], [false, "✗"]]);
  const WORDS = new Map([[true, "right"], [false, "wrong"]]);
  const SHOWN = [["verdict", "right and wrong"], ["frames", "frames shown"], ["turns", "turns"]];

  // Return the lines of the picture: [{id, question, cells: [row or null by update]}], those right
  // most often first, and of these the earliest right.
  function lines(rows, keys) {
    const column = new Map(keys.map((key, k) => [key, k]));
    const found = new Map();
    for (let i = 0; i < rows.count; i += 1) {
      const k = column.get(rows.get("entry", i));
      if (k === undefined) continue;
      const id = rows.get("id", i);
      if (!found.has(id)) found.set(id, { id, row: i, cells: keys.map(() => null) });
      const { cells } = found.get(id);
      if (cells[k] === null) cells[k] = i;
    }
    const right = (line) => line.cells.map((row) => row !== null && rows.get("verdict", row) === true);
    const all = [...found.values()].map((line) => ({ line, right: right(line) }));
    const key = ({ right: one }) => [-one.filter(Boolean).length, one.includes(true) ? one.indexOf(true) : one.length];
    const keyed = all.map((one) => [key(one), one.line]);
    keyed.sort(([a], [b]) => a[0] - b[0] || a[1] - b[1]);
    return keyed.map(([, line]) => line);
  }

  // options: {link(id, k), name(entry)}. Returns {element}.
  function create(entries, options) {
    const all = lines(Data.rows, entries.map((entry) => entry.key));
    const view = { entries, ...options, all, lines: all.slice(0, MOST), measure: "verdict", at: [0, 0] };
    view.wide = Math.round(Math.min(Math.max(600 / entries.length, 16), 60));
    view.said = Dom.h("p", { class: "heat-said", role: "status" }, help());
    view.svg = Dom.svg("svg", { width: view.wide * entries.length, height: HIGH * view.lines.length, "aria-hidden": "true" });
    const label = "Questions (down) by updates (across); arrow keys move, Enter compares";
    view.box = Dom.h("div", { class: "heat", tabindex: "0", role: "group", "aria-label": label }, heads(view), view.svg);
    wire(view);
    draw(view);
    const left = all.length - view.lines.length;
    const notes = left > 0 ? [Dom.h("p", { class: "note" }, `${left} more questions are in the table below.`)] : [];
    const element = Dom.h("div", { class: "heat-all" }, switches(view), view.box, view.said, ...notes, table(view));
    return { element };
  }

  const help = () =>
    "Each line is a question, each column an update. Filled: right; a cross: wrong; a dot: not judged. " +
    "Point at a cell, or move with the arrow keys.";

  // Numbers of the updates above their columns, as many as have room.
  function heads(view) {
    const apart = Math.ceil(34 / view.wide);
    const numbers = view.entries.map((entry, k) => k % apart === 0 && Dom.svg("text", {
      x: view.wide * (k + 0.5), y: 12, "text-anchor": "middle",
    }, String(entry.update)));
    return Dom.svg("svg", { class: "heat-heads", width: view.wide * view.entries.length, height: HEAD, "aria-hidden": "true" }, ...numbers);
  }

  function switches(view) {
    const bar = Dom.h("div", { class: "heat-switch", role: "group", "aria-label": "What the cells show" });
    for (const [key, title] of SHOWN) {
      const button = Dom.h("button", { type: "button", "aria-pressed": String(key === view.measure) }, title);
      button.addEventListener("click", () => {
        view.measure = key;
        for (const one of bar.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button));
        draw(view);
      });
      bar.append(button);
    }
    return bar;
  }

  // A few paths, however many cells there are.
  function draw(view) {
    const marks = view.measure === "verdict" ? verdicts(view) : bars(view, view.measure);
    view.cursor = Dom.svg("rect", { class: "heat-cursor", width: view.wide, height: HIGH });
    view.svg.replaceChildren(...marks, view.cursor);
    place(view);
  }

  function each(view, act) {
    view.lines.forEach((line, y) => line.cells.forEach((row, x) => row !== null && act(row, x * view.wide, y * HIGH)));
  }

  function verdicts(view) {
    const { wide } = view;
    const d = { right: [], wrong: [], none: [] };
    each(view, (row, x, y) => {
      const verdict = Data.rows.get("verdict", row);
      if (verdict === true) d.right.push(`M${x + 1} ${y + 1}h${wide - 2}v${HIGH - 2}h${2 - wide}z`);
      else if (verdict === false) d.wrong.push(`M${x + wide / 2 - 3} ${y + 2.5}l6 6m0 -6l-6 6`);
      else d.none.push(`M${x + wide / 2} ${y + HIGH / 2}h.01`);
    });
    return Object.entries(d).map(([kind, parts]) => Dom.svg("path", { class: `heat-${kind}`, d: parts.join("") }));
  }

  // Bars: the fuller a cell, the more; none is the fullest of all lines.
  function bars(view, key) {
    let most = 0;
    each(view, (row) => {
      most = Math.max(most, Data.rows.get(key, row) || 0);
    });
    const d = [];
    each(view, (row, x, y) => {
      const value = Data.rows.get(key, row);
      const filled = most && typeof value === "number" ? ((view.wide - 2) * value) / most : 0;
      if (filled > 0) d.push(`M${x + 1} ${y + 2}h${filled.toFixed(1)}v${HIGH - 4}h${(-filled).toFixed(1)}z`);
    });
    return [Dom.svg("path", { class: "heat-bars", d: d.join("") })];
  }

  function words(view, line, x) {
    const row = line.cells[x];
    const title = Data.rows.get("question", line.row) || line.id;
    if (row === null) return `${title}: ${view.name(view.entries[x])}, not played`;
    const counts = ["turns", "frames"].map((key) => [key, Data.rows.get(key, row)]);
    const told = counts.filter(([, value]) => typeof value === "number").map(([key, value]) => `${value} ${key}`);
    const verdict = WORDS.get(Data.rows.get("verdict", row)) || "not judged";
    return `${title}: ${view.name(view.entries[x])}, ${[verdict, ...told].join(", ")}`;
  }

  function place(view) {
    const [x, y] = view.at;
    view.cursor.setAttribute("x", x * view.wide);
    view.cursor.setAttribute("y", y * HIGH);
  }

  function move(view, at) {
    const bound = (value, count) => Math.min(Math.max(value, 0), count - 1);
    view.at = [bound(at[0], view.entries.length), bound(at[1], view.lines.length)];
    place(view);
    view.said.textContent = words(view, view.lines[view.at[1]], view.at[0]);
    const { box } = view;
    const top = view.at[1] * HIGH;
    const seen = box.clientHeight - HEAD;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + HIGH > box.scrollTop + seen) box.scrollTop = top + HIGH - seen;
  }

  function open(view) {
    const [x, y] = view.at;
    if (view.lines[y].cells[x] === null) return;
    const href = view.link(view.lines[y].id, x);
    if (href) window.location.hash = href;
  }

  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], PageUp: [0, -10], PageDown: [0, 10] };

  function wire(view) {
    const cell = (event) => {
      const box = view.svg.getBoundingClientRect();
      return [Math.floor((event.clientX - box.left) / view.wide), Math.floor((event.clientY - box.top) / HIGH)];
    };
    view.svg.addEventListener("pointermove", (event) => move(view, cell(event)));
    view.svg.addEventListener("click", (event) => {
      move(view, cell(event));
      open(view);
    });
    view.box.addEventListener("keydown", (event) => {
      const by = KEYS[event.key];
      if (!by && event.key !== "Enter") return;
      event.preventDefault();
      event.stopPropagation(); // these keys mean something else outside
      if (by) move(view, [view.at[0] + by[0], view.at[1] + by[1]]);
      else open(view);
    });
  }

  // The same as a table of links, made when it is opened.
  function table(view) {
    const body = Dom.h("div", {});
    const fold = Dom.h("details", { class: "heat-table" }, Dom.h("summary", {}, "The same as a table"), body);
    fold.addEventListener("toggle", () => fold.open && !body.firstChild && page(view, body, 0));
    return fold;
  }

  function page(view, body, from) {
    const head = Dom.h("tr", {}, Dom.h("th", { scope: "col", class: "left" }, "Question"),
      ...view.entries.map((entry) => Dom.h("th", { scope: "col", title: view.name(entry) }, String(entry.update))));
    const shown = view.all.slice(from, from + PAGE).map((line) => {
      const title = Data.rows.get("question", line.row) || line.id;
      const cells = line.cells.map((row, k) => Dom.h("td", {}, row === null ? "" : mark(view, line, row, k)));
      return Dom.h("tr", {}, Dom.h("th", { scope: "row" }, title), ...cells);
    });
    const made = Dom.h("table", {}, Dom.h("thead", {}, head), Dom.h("tbody", {}, ...shown));
    const turn = (text, to) => {
      const button = Dom.h("button", { type: "button" }, text);
      button.disabled = to < 0 || to >= view.all.length;
      button.addEventListener("click", () => page(view, body, to));
      return button;
    };
    const last = Math.min(from + PAGE, view.all.length);
    const range = Dom.h("span", { role: "status" }, `questions ${from + 1} to ${last} of ${view.all.length}`);
    body.replaceChildren(
      Dom.h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Questions by updates" }, made),
      Dom.h("div", { class: "flip-pager" }, turn("Previous questions", from - PAGE), range, turn("Next questions", from + PAGE)),
    );
  }

  function mark(view, line, row, k) {
    const text = MARKS.get(Data.rows.get("verdict", row)) || "–";
    const href = view.link(line.id, k);
    return href ? Dom.h("a", { href, "aria-label": `${words(view, line, k)}, compare` }, text) : text;
  }

  return { create, lines };
})();
