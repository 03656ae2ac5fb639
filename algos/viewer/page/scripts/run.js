// The run: its sections, drawn in advance, and the table of all questions.
const RunPage = (() => {
  const PRINTED = 200; // rows
  const TYPING = 60; // ms without a key before a search begins
  let made = null;
  let last = null; // the question that was open before

  async function show(container, state) {
    await Data.ready;
    if (!made) made = build(document.getElementById("table"));
    Selection.follow(state);
    made.table.element.setAttribute("aria-busy", String(Selection.now.busy));
    fill();
    returned();
  }

  function build(place) {
    const parts = {
      turn: 0,
      find: Dom.h("input", { type: "search", id: "find", placeholder: "search ( / )", "aria-label": "Search questions, ids and answers", autocomplete: "off", spellcheck: "false" }),
      entry: Dom.h("select", { "aria-label": "Whose answers" }),
      cells: Dom.h("div", { class: "cells", role: "group", "aria-label": "Outcome by evidence" }),
      chips: Dom.h("div", { class: "chips" }),
      count: Dom.h("p", { class: "count", role: "status", "aria-live": "polite" }, "Reading the questions …"),
      empty: Dom.h("p", { class: "note", hidden: true }),
      printed: Dom.h("div", { class: "printed" }),
    };
    const button = (text, act) => Dom.h("button", { type: "button", onclick: act }, text);
    const save = (kind) => Downloads.save(kind, Selection.now.rows);
    place.replaceChildren(
      Dom.h("div", { class: "table-bar" }, parts.find, parts.entry, parts.cells,
        Dom.h("div", { class: "saves" }, button("Columns", (event) => ColumnChooser.open(columns(State.get()), event.currentTarget)),
          button("Save CSV", () => save("csv")), button("Save JSON", () => save("json")))),
      parts.chips, parts.count, parts.empty);
    parts.table = Table.create(place, { link, open: (row) => State.set(target(row)), onSort: sortBy, onFilter: FilterPanel.open });
    place.append(parts.printed);
    entries(parts.entry);
    search(parts.find);
    Selection.on(() => State.get().view === "run" && fill());
    Data.onLoad(() => entries(parts.entry));
    return parts;
  }

  const target = (row) => ({ view: "question", q: Data.rows.get("id", row), e: Data.rows.get("entry", row), turn: null, t: null, w: null });
  const link = (row) => State.link(target(row));

  function entries(select) {
    const option = (key, title) => Dom.h("option", { value: key }, title);
    select.replaceChildren(...Data.run.entries.map((one) => option(one.key, one.title)),
      ...(Data.run.entries.length > 1 ? [option("*", "All entries")] : []));
    select.onchange = () => FilterPanel.change((terms) => (terms.entry = select.value === Data.run.shown ? null : select.value));
  }

  function search(input) {
    let waiting = 0;
    const tell = () => {
      clearTimeout(waiting);
      State.set({ find: input.value || null }, { replace: true });
    };
    input.addEventListener("focus", () => Selection.prepare());
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(tell, TYPING);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        tell();
        made.table.move(0);
      }
    });
  }

  // None, up, down, and none again.
  function sortBy(column) {
    const { sort } = Selection.now;
    const own = sort && sort.key === column.key;
    State.set({ sort: !own ? column.key : sort.down ? null : `-${column.key}` });
    const again = made.table.element.querySelector(`[data-key="${CSS.escape(column.key)}"]`);
    if (again) again.focus();
  }

  const columns = (state) => Columns.chosen(state, Filters.parse(state.filter).entry === "*");

  // Show what the selection found.
  function fill() {
    const { rows, terms, sort, busy } = Selection.now;
    if (!made || !terms || busy) return;
    const state = State.get();
    const focus = made.table.element.contains(document.activeElement) ? document.activeElement : null;
    const key = focus && focus.dataset.key ? focus : focus && focus.previousElementSibling;
    const filtered = new Set([...terms.columns.keys(), ...(terms.evidence ? [Filters.EVIDENCE] : [])]);
    made.table.update({ rows, columns: columns(state), sort, filtered });
    made.table.element.setAttribute("aria-busy", "false");
    refocus(focus, key);
    if (document.activeElement !== made.find && made.find.value !== (state.find || "")) made.find.value = state.find || "";
    made.entry.value = terms.entry || Data.run.shown;
    made.chips.replaceChildren(...FilterPanel.chips(terms));
    const mine = (made.turn += 1);
    FilterPanel.cells(terms).then((cells) => mine === made.turn && replaceKept(made.cells, cells));
    counted(rows, state, terms);
  }

  // What had the focus is made anew, and keeps it.
  function refocus(focus, key) {
    if (!focus || focus.isConnected) return;
    if (!key || !key.dataset.key) return made.table.move(0);
    const again = made.table.element.querySelector(`[data-key="${CSS.escape(key.dataset.key)}"]`);
    if (again) (focus.dataset.key ? again : again.nextElementSibling || again).focus({ preventScroll: true });
  }

  function replaceKept(place, children) {
    const at = [...place.children].indexOf(document.activeElement);
    place.replaceChildren(...children);
    if (at >= 0 && children[at]) children[at].focus();
  }

  function counted(rows, state, terms) {
    const asked = Data.asked(terms.entry || Data.run.shown);
    const others = asked < Data.run.questions ? ` that it was asked (${Dom.number(Data.run.questions)} in all)` : "";
    made.count.textContent = terms.entry === "*" ? `${Dom.number(rows.length)} of ${Dom.number(Data.run.count)} answers`
      : `${Dom.number(rows.length)} of ${Dom.number(asked)} questions${others}`;
    made.empty.hidden = rows.length > 0;
    const clear = () => State.set({ filter: terms.entry ? `entry:${terms.entry}` : null, find: null });
    if (!Data.run.count) made.empty.replaceChildren("No question has been played yet.");
    else made.empty.replaceChildren("Nothing matches. ", Dom.h("button", { type: "button", onclick: clear }, "Take all filters away"));
  }

  // Back from a question: to its row.
  function returned() {
    if (!last) return;
    const row = Data.rowOf(last.e || Data.run.shown, last.q);
    last = null;
    if (row < 0) return;
    made.table.element.scrollIntoView({ block: "nearest" });
    made.table.reveal(row, true);
  }

  // The view before was this one.
  const from = (state) => (last = state.q ? { q: state.q, e: state.e } : null);

  // Paper has no scroll bar: the first rows, all columns that are shown.
  function print(on) {
    if (!made || !Selection.now.terms) return;
    if (!on) return made.printed.replaceChildren();
    const { rows } = Selection.now;
    const shown = columns(State.get());
    const head = Dom.h("tr", {}, shown.map((one) => Dom.h("th", { scope: "col" }, one.title)));
    const line = (row) => Dom.h("tr", {}, shown.map((one) => Dom.h("td", { class: ["number", "seconds"].includes(one.kind) ? null : "left" }, Columns.text(one, row))));
    const more = rows.length > PRINTED ? Dom.h("p", {}, `The first ${PRINTED} of ${Dom.number(rows.length)}.`) : "";
    made.printed.replaceChildren(Dom.h("table", {}, Dom.h("thead", {}, head), Dom.h("tbody", {}, Array.from(rows.slice(0, PRINTED), line))), more);
  }

  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  matchMedia("print").addEventListener("change", (event) => print(event.matches));

  const table = () => (made ? made.table : null);
  const focusSearch = () => made && made.find.focus();

  return { show, from, table, focusSearch };
})();
