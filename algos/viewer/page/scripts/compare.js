// Two entries on one question: verdicts and costs, timelines on one axis, turns side by side.
const CompareView = (() => {
  let shown = null; // what stands in the container: {container, key, update}
  let calls = 0;

  // Show what the address says. Called again with only the time, turn or window changed, it moves the
  // cursor of what is there.
  async function show(container, state) {
    calls += 1;
    const call = calls;
    const pair = pairOf(state);
    const key = JSON.stringify([pair.e, pair.f, state.q || "", state.list || "", state.only || "", Data.rows.count]);
    if (shown && shown.container === container && shown.key === key && shown.root.isConnected) {
      shown.update(state);
      return;
    }
    const question = state.q ? await details(state.q) : null;
    if (call !== calls) return; // the reader has gone on meanwhile
    const root = Dom.h("div", { class: "compare" });
    const focus = focused(container);
    shown = { container, key, root, timeline: null, turns: [], update: () => {} };
    container.replaceChildren(root);
    root.append(heading(pair, state));
    if (!pair.f) root.append(note("This run has one entry: there is nothing to compare it with."));
    else if (state.q) shown.update = drawQuestion(root, pair, state, question);
    if (pair.f) root.append(flips(pair, state));
    if (!state.q) root.append(...[Updates.overview()].filter(Boolean));
    refocus(root, focus);
  }

  const note = (text) => Dom.h("p", { class: "note" }, text);

  // Which two are compared: those of the address, else the run's first and that before learning.
  function pairOf(state) {
    const keys = (Data.run.entries || []).map((entry) => entry.key);
    const known = (key) => (keys.includes(key) ? key : null);
    const e = known(state.e) || known(Data.run.shown) || keys[0];
    const other = [state.f, Data.run.before, ...keys].find((key) => known(key) && key !== e);
    return { e, f: other || null };
  }

  async function details(id) {
    try {
      return (await Data.question(id)) || null;
    } catch {
      return null; // said on the page, as for one without details
    }
  }

  // A control that is drawn anew keeps the focus, so that it can be used again by keyboard.
  function focused(container) {
    const active = document.activeElement;
    return active && container.contains(active) ? active.dataset.keep || null : null;
  }

  function refocus(root, name) {
    const found = name && [...root.querySelectorAll("[data-keep]")].find((one) => one.dataset.keep === name);
    if (found) found.focus();
  }

  const go = (changes) => State.set({ view: "compare", ...changes }, {});

  function heading(pair, state) {
    const title = Dom.h("h2", {}, state.q ? "Compare on one question" : "Compare two entries");
    const bar = Dom.h("div", { class: "cmp-bar" }, chooser("A", pair.e, (e) => go({ e, f: e === pair.f ? pair.e : pair.f })));
    if (!pair.f) return Dom.h("header", { class: "cmp-head" }, title, bar);
    bar.append(
      button("Swap A and B", "swap", () => go({ e: pair.f, f: pair.e })),
      chooser("B", pair.f, (f) => go({ f, e: f === pair.e ? pair.f : pair.e })),
    );
    if (state.q) bar.append(...steps(pair, state));
    return Dom.h("header", { class: "cmp-head" }, title, bar);
  }

  function button(text, keep, act) {
    const made = Dom.h("button", { type: "button", "data-keep": keep }, text);
    made.addEventListener("click", act);
    return made;
  }

  function chooser(name, chosen, act) {
    const select = Dom.h("select", { "data-keep": `entry ${name}`, "aria-label": `Entry ${name}` });
    for (const entry of Data.run.entries || []) {
      const option = Dom.h("option", { value: entry.key }, entry.title || entry.key);
      option.selected = entry.key === chosen;
      select.append(option);
    }
    select.addEventListener("change", () => act(select.value));
    return Dom.h("label", { class: `cmp-entry of-${name.toLowerCase()}` }, Dom.h("b", {}, name), " ", select);
  }

  // Buttons to the flips before and after, and where in the list this question stands.
  function steps(pair, state) {
    const now = { ...state, ...pair };
    const ids = Flips.idsOf(now);
    const at = ids.indexOf(state.q);
    const to = (by, text, keep) => {
      const made = button(text, keep, () => flip(by));
      made.disabled = Flips.step(now, state.q, by) === null;
      return made;
    };
    const words = at < 0 ? `not in this list of ${ids.length}` : `${at + 1} of ${ids.length}`;
    return [
      Dom.h("span", { class: "cmp-steps" }, to(-1, "Previous flip", "previous"),
        Dom.h("span", { role: "status" }, words), to(1, "Next flip", "next")),
      Dom.h("a", { href: State.link({ view: "compare", ...pair, q: "", turn: "", t: "", w: "" }) }, "All flips"),
    ];
  }

  // Go to the next or previous question of the list that is open; also on the keys n and p.
  function flip(by) {
    const state = State.get();
    const pair = pairOf(state);
    if (!pair.f) return;
    const id = Flips.step({ ...state, ...pair }, state.q, by);
    if (id !== null) go({ ...pair, q: id, turn: "", t: "", w: "" });
  }

  function flips(pair, state) {
    const box = Dom.h("div", { class: "flips" });
    const act = { onList: (list) => go({ list }), onWhere: (only) => go({ only }) };
    const fill = () => Flips.list(box, { state: { ...state, ...pair }, ...act });
    if (!state.q) {
      fill();
      return box;
    }
    const fold = Dom.h("details", { class: "flips-fold" }, Dom.h("summary", {}, "All questions of this list"), box);
    fold.addEventListener("toggle", () => fold.open && !box.firstChild && fill());
    return fold;
  }

  // Draw one question; returns what moves its cursor.
  function drawQuestion(root, pair, state, question) {
    const episode = (key) => (question && (question.episodes || []).find((one) => one.entry === key)) || null;
    const [a, b] = [episode(pair.e), episode(pair.f)];
    const rowsOf = [Data.rowOf(pair.e, state.q), Data.rowOf(pair.f, state.q)];
    root.append(CompareParts.asked(question, rowsOf));
    root.append(CompareParts.measures(pair, rowsOf, [a, b]));
    const missing = [a ? null : "A", b ? null : "B"].filter(Boolean);
    if (missing.length) root.append(note(`The turns of ${missing.join(" and ")} on this question are not in this page.`));
    if (!a || !b) return () => {};
    const aligned = Differences.turns(a, b);
    return drawEpisodes(root, question, [a, b], aligned, state);
  }

  function drawEpisodes(root, question, episodes, aligned, state) {
    const first = Differences.first(aligned);
    const words = first === null ? "Both did the same in every turn." : "";
    const said = Dom.h("p", { class: "cmp-first" }, words);
    if (first !== null) said.append(...CompareParts.parting(aligned, first));
    root.append(said);
    const axis = Dom.h("div", { class: "cmp-axis" });
    root.append(axis);
    const marks = {};
    if (first !== null) for (const one of episodes) marks[one.entry] = { turn: first, text: "differs" };
    const onTime = (t) => State.set({ t }, { replace: true });
    const timeline = Timeline.create(axis, {
      question, episodes, marks, ...cursor(state), onTime,
      onTurn: (turn) => State.set({ turn }, { replace: true }),
      onWindow: (window) => State.set({ w: window }, { replace: true }),
    });
    Object.assign(shown, { timeline, turns: aligned.map((row) => row.turn) });
    const list = CompareParts.turns(question, episodes, aligned, first, { time: cursor(state).time, onTime });
    root.append(list.element, ...[CompareParts.beliefs(question, aligned)].filter(Boolean));
    const update = (next) => {
      timeline.update(cursor(next));
      list.update(cursor(next));
    };
    list.update(cursor(state));
    return update;
  }

  // Time, turn and window of an address.
  const cursor = ({ t, turn, w }) => {
    const orNull = (value) => (value === undefined ? null : value);
    return { time: orNull(t), turn: orNull(turn), window: orNull(w) };
  };

  // To the next of the turns side by side, or the one before.
  function step(by) {
    if (!shown || !shown.turns.length || !shown.root.isConnected) return;
    const { turn } = State.get();
    const at = shown.turns.indexOf(turn);
    const next = at < 0 ? shown.turns[0] : shown.turns[at + by];
    if (next !== undefined) State.set({ turn: next }, { replace: true });
  }

  window.addEventListener("beforeprint", () => {
    if (!shown || !shown.root.isConnected) return;
    if (shown.timeline) shown.timeline.print();
    Picture.fillAll(shown.root);
  });

  const here = () => State.get().view === "compare";
  Keys.add("n", "next flip", () => flip(1), here);
  Keys.add("p", "previous flip", () => flip(-1), here);
  Keys.add("ArrowRight", "next turn", () => step(1), here);
  Keys.add("ArrowLeft", "previous turn", () => step(-1), here);

  return { show };
})();
