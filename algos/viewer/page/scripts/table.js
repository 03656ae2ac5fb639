// A grid of any number of rows, of which only those in sight are in the document.
const Table = (() => {
  const ROW = 34; // pixels, as in table.css
  const FEWEST = 2, BAR = 20; // rows that there is room for in any case; pixels of a scroll bar and edges
  const OVER = 6; // rows drawn beyond those in sight
  const CALM = 150; // ms without scrolling
  // Browsers end at 17 million pixels or more (Firefox), 33 (Chromium). A longer table is scrolled
  // in larger steps: its scroll bar stands for more than one pixel a pixel.
  const TALLEST = 15e6;
  const WIDTHS = { text: 190, category: 60, number: 88, seconds: 106, verdict: 122 };

  // Width of each column in pixels; the question gets what is left, and less on a small screen.
  function widths(columns, room) {
    const found = columns.map((one) => {
      const longest = one.kind === "category" ? Columns.longest(one) : 0;
      return Math.round(Math.min(260, Math.max(WIDTHS[one.kind], 8.8 * one.title.length + 56, 8.2 * longest + 20)));
    });
    const others = found.slice(1).reduce((a, b) => a + b, 0);
    found[0] = Math.floor(Math.max(room < 600 ? 0.45 * room : 340, Math.min(700, room - others)));
    return found;
  }

  function spread(view) {
    if (view.columns.length) view.grid.style.setProperty("--columns", widths(view.columns, view.grid.clientWidth).map((x) => `${x}px`).join(" "));
  }

  const isNumeric = (column) => column.kind === "number" || column.kind === "seconds";

  // options: link(row) -> address, open(row), onSort(column), onFilter(column, button), tallest.
  function create(container, options) {
    const view = {
      options, rows: [], columns: [], drawn: new Map(), free: [], at: 0, waiting: 0, ordering: 0,
      tallest: options.tallest || TALLEST,
      head: Dom.h("div", { class: "row head", role: "row", "aria-rowindex": "1" }),
      body: Dom.h("div", { class: "body", role: "rowgroup" }),
    };
    view.grid = Dom.h("div", { class: "grid-box", role: "grid", "aria-label": "Questions" },
      Dom.h("div", { role: "rowgroup", class: "head-group" }, view.head), view.body);
    container.append(view.grid);
    view.grid.addEventListener("scroll", () => soon(view), { passive: true });
    view.grid.addEventListener("keydown", (event) => pressed(view, event));
    view.grid.addEventListener("focusin", (event) => focused(view, event));
    view.body.addEventListener("click", (event) => clicked(view, event));
    new ResizeObserver(() => {
      spread(view);
      soon(view);
    }).observe(view.grid);
    return {
      element: view.grid,
      update: (found) => update(view, found),
      move: (by) => moveTo(view, view.body.contains(document.activeElement) ? view.at + by : view.at),
      reveal: (row, focus) => reveal(view, row, focus),
      get current() {
        return view.rows.length ? view.rows[view.at] : null;
      },
    };
  }

  // Show other rows, columns or an other order: {rows, columns, sort, filtered}.
  function update(view, { rows, columns, sort, filtered }) {
    const same = rows === view.rows;
    const before = view.rows.length ? view.rows[view.at] : -1;
    Object.assign(view, { rows, columns, sort });
    if (!same) {
      view.at = Math.max(0, rows.indexOf(before));
      view.grid.scrollTop = view.at ? scrollOf(view, Math.max(0, view.at - 3)) : 0;
    }
    view.grid.setAttribute("aria-rowcount", String(rows.length + 1));
    view.grid.setAttribute("aria-colcount", String(columns.length));
    spread(view);
    view.grid.style.setProperty("--rows", `${Math.max(rows.length, FEWEST) * ROW + ROW + BAR}px`);
    view.body.style.height = `${Math.min(rows.length * ROW, view.tallest)}px`;
    view.head.replaceChildren(...columns.map((column) => headCell(view, column, filtered.has(column.key))));
    view.body.replaceChildren();
    view.drawn.clear();
    draw(view);
  }

  function headCell(view, column, filtered) {
    const down = view.sort && view.sort.key === column.key ? view.sort.down : null;
    const order = down === null ? "none" : down ? "descending" : "ascending";
    const sign = down === null ? "" : down ? " ▼" : " ▲";
    const sort = Dom.h("button", { type: "button", class: "sort", title: column.about || null, "data-key": column.key,
      onclick: () => view.options.onSort(column) }, column.title, Dom.h("span", { "aria-hidden": "true" }, sign));
    const filter = column.key === "entry" ? null : Dom.h("button", { type: "button", class: filtered ? "filter on" : "filter",
      "aria-label": `Filter ${column.title}${filtered ? ", filtered now" : ""}`, "aria-haspopup": "dialog",
      onclick: (event) => view.options.onFilter(column, event.currentTarget) }, funnel());
    return Dom.h("div", { role: "columnheader", "aria-sort": order, class: isNumeric(column) ? "cell numeric" : "cell" }, sort, filter);
  }

  const funnel = () => Dom.svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" },
    Dom.svg("path", { d: "M1 1.5H11L7.2 6V10.5L4.8 9V6Z" }));

  const height = (view) => view.rows.length * ROW;
  const inSight = (view) => Math.max(ROW, view.grid.clientHeight - view.head.offsetHeight);

  // How many pixels of rows one pixel of the scroll bar stands for.
  function ratio(view) {
    const range = Math.min(height(view), view.tallest) - inSight(view);
    return height(view) > view.tallest && range > 0 ? (height(view) - inSight(view)) / range : 1;
  }

  const scrollOf = (view, at) => (at * ROW) / ratio(view);

  function soon(view) {
    if (!view.waiting) view.waiting = requestAnimationFrame(() => draw(view));
  }

  // Put the rows in sight into the document, with those around them and the one with the focus.
  // Lines that are not needed any more are filled anew where they are: the browser styles a line that
  // was taken out and put in again from scratch.
  function draw(view) {
    view.waiting = 0;
    const scroll = view.grid.scrollTop;
    const top = scroll * ratio(view);
    const first = Math.max(0, Math.floor(top / ROW) - OVER);
    const last = Math.min(view.rows.length, Math.ceil((top + inSight(view)) / ROW) + OVER);
    const wanted = view.rows.length && (view.at < first || view.at >= last) ? [view.at] : [];
    for (let at = first; at < last; at++) wanted.push(at);
    const kept = new Set(wanted);
    for (const [at, line] of view.drawn) {
      if (kept.has(at)) continue;
      view.drawn.delete(at);
      view.free.push(line);
    }
    for (const at of wanted) {
      const line = view.drawn.get(at) || place(view, at);
      line.style.top = `${Math.round(scroll + at * ROW - top)}px`;
    }
    for (const line of view.free.splice(0)) line.remove();
    clearTimeout(view.ordering);
    view.ordering = setTimeout(() => order(view), CALM);
  }

  // Lines in the order of their rows, as a screen reader goes through them. The one with the focus
  // stays where it is: it would lose it.
  function order(view) {
    const lines = [...view.drawn].sort((a, b) => a[0] - b[0]).map((one) => one[1]);
    if (lines.every((line, k) => view.body.children[k] === line)) return;
    const fixed = lines.find((line) => line.contains(document.activeElement)) || null;
    const before = fixed ? lines.indexOf(fixed) : 0;
    lines.slice(0, before).forEach((line) => view.body.insertBefore(line, fixed));
    lines.slice(fixed ? before + 1 : 0).forEach((line) => view.body.append(line));
  }

  function place(view, at) {
    const odd = at % 2 === 1; // a line keeps its shade, so that its cells need not be styled anew
    const found = view.free.findIndex((one) => one.classList.contains("odd") === odd);
    const line = found < 0 ? emptyLine(view, odd) : view.free.splice(found, 1)[0];
    const row = view.rows[at];
    const question = Columns.text(view.columns[0], row) || String(Data.rows.get("id", row));
    line.dataset.at = String(at);
    line.setAttribute("aria-rowindex", String(at + 2));
    view.columns.forEach((column, k) => {
      const cell = line.children[k];
      const text = k ? Columns.text(column, row) : question;
      (k ? cell : cell.firstChild).textContent = text;
      if (column.kind === "text") cell.title = text;
      if (column.kind !== "verdict") return;
      const name = `cell ${verdictClass(Data.rows.get(column.key, row))}`;
      if (cell.className !== name) cell.className = name;
    });
    const link = line.firstChild.firstChild;
    link.setAttribute("href", view.options.link(row));
    link.tabIndex = at === view.at ? 0 : -1;
    if (!line.isConnected) view.body.append(line);
    view.drawn.set(at, line);
    return line;
  }

  const verdictClass = (value) => (value === true ? "right" : value === false ? "wrong" : "none");

  function emptyLine(view, odd) {
    const cells = view.columns.map((column, k) =>
      Dom.h("div", { role: k ? "gridcell" : "rowheader", class: isNumeric(column) ? "cell numeric" : "cell" }, k ? "" : Dom.h("a", { href: "#" })));
    return Dom.h("div", { class: odd ? "row odd" : "row", role: "row" }, cells);
  }

  function pressed(view, event) {
    if (!event.target.closest(".body") || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(inSight(view) / ROW) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    moveTo(view, view.at + by);
  }

  function moveTo(view, wanted) {
    if (!view.rows.length) return;
    activate(view, Math.max(0, Math.min(view.rows.length - 1, wanted)));
    show(view);
    view.drawn.get(view.at).querySelector("a").focus({ preventScroll: true });
  }

  function activate(view, at) {
    for (const one of [view.at, at]) {
      const line = view.drawn.get(one);
      if (line) line.querySelector("a").tabIndex = one === at ? 0 : -1;
    }
    view.at = at;
  }

  // Scroll the active row into sight.
  function show(view) {
    const scale = ratio(view);
    const top = view.grid.scrollTop * scale;
    const high = inSight(view);
    if (view.at * ROW < top) view.grid.scrollTop = scrollOf(view, view.at);
    else if ((view.at + 1) * ROW > top + high) view.grid.scrollTop = ((view.at + 1) * ROW - high) / scale + 1;
    draw(view);
  }

  // Make a row the active one, if it is there; with the focus if wanted.
  function reveal(view, row, focus) {
    const at = view.rows.indexOf(row);
    if (at < 0) return;
    activate(view, at);
    show(view);
    if (focus) view.drawn.get(at).querySelector("a").focus({ preventScroll: true });
  }

  function focused(view, event) {
    const line = event.target.closest(".body .row");
    if (line) activate(view, Number(line.dataset.at));
  }

  function clicked(view, event) {
    const line = event.target.closest(".row");
    if (!line || event.target.closest("a") || event.button || String(getSelection())) return;
    view.options.open(view.rows[Number(line.dataset.at)]);
  }

  return { create, ROW };
})();
