// The line under the title: the way back, the question before and after, colours, and keys.
const Tools = (() => {
  const THEMES = [["", "Colours: as the system"], ["light", "Colours: light"], ["dark", "Colours: dark"]];
  const NAME = "sage-vqa theme";

  const button = (text, act, more = {}) => Dom.h("button", { type: "button", onclick: act, ...more }, text);

  const back = button("All questions", () => toRun());
  const previous = button("Previous", () => step(-1), { "aria-keyshortcuts": "k" });
  const next = button("Next", () => step(1), { "aria-keyshortcuts": "j" });
  const place = Dom.h("span", { class: "note", role: "status" });
  const questions = Dom.h("a", { href: "#questions" });
  const counted = () => (questions.textContent = Data.run.questions === 1 ? "The question" : `All ${Dom.number(Data.run.questions)} questions`);
  counted();
  Data.onLoad(counted); // a run that goes on has more
  const compare = Dom.h("a", { href: "#view=compare" }, "Compare");
  const theme = Dom.h("select", { "aria-label": "Colours" }, THEMES.map(([value, text]) => Dom.h("option", { value }, text)));
  const on = button("Keys (?)", () => help());

  theme.addEventListener("change", () => {
    keep(theme.value);
    State.set({ theme: theme.value || null }, { replace: true });
  });

  function keep(value) {
    try {
      sessionStorage.setItem(NAME, value);
    } catch (error) {
      // The address keeps it.
    }
  }

  function kept() {
    try {
      return sessionStorage.getItem(NAME) || "";
    } catch (error) {
      return "";
    }
  }

  // To the table, where the question that was open is.
  function toRun() {
    State.set({ view: "run", q: null, e: null, f: null, turn: null, t: null, w: null });
  }

  // To the question after the one that is open, in the order of the table.
  function step(by) {
    const { q } = State.get();
    const at = Data.ids.indexOf(q);
    const to = at < 0 ? Data.ids[0] : Data.ids[at + by];
    if (to !== undefined) State.set({ q: to, turn: null, t: null, w: null }, { replace: true });
  }

  function help() {
    const names = { " ": "space", ArrowLeft: "left", ArrowRight: "right" };
    const told = new Map(Keys.bindings.map((one) => [`${one.key} ${one.words}`, one])); // a key of two views stands once
    const lines = [...told.values()].map((one) => [Dom.h("dt", {}, Dom.h("kbd", {}, names[one.key] || one.key)), Dom.h("dd", {}, one.words)]);
    const dialog = Dom.h("dialog", { class: "help", "aria-label": "Keys and filters" }, Dom.h("h3", {}, "Keys"), Dom.h("dl", {}, lines),
      Dom.h("h3", {}, "Search"), Dom.h("p", {}, "All words must be in the question, its id or an answer. ", Dom.h("kbd", {}, '"two words"'), " stand together."),
      button("Close", () => dialog.close(), { autofocus: true }));
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before instanceof HTMLElement) before.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  function show(state) {
    const asked = state.theme || kept();
    if (asked) document.documentElement.dataset.theme = asked;
    else delete document.documentElement.dataset.theme;
    theme.value = asked;
    const one = state.view === "question";
    back.hidden = state.view === "run";
    for (const each of [previous, next, place]) each.hidden = !one;
    questions.hidden = state.view !== "run";
    compare.hidden = state.view !== "run" || Data.run.entries.length < 2;
    compare.setAttribute("href", State.link({ view: "compare", q: null }));
    if (one) where(state.q);
  }

  function where(q) {
    const at = Data.ids.indexOf(q);
    previous.disabled = at <= 0;
    next.disabled = at < 0 || at === Data.ids.length - 1;
    place.textContent = at < 0 ? "not in the table as it is filtered now" : `${Dom.number(at + 1)} of ${Dom.number(Data.ids.length)}`;
  }

  function mount() {
    document.getElementById("tools").replaceChildren(back, previous, next, place, questions, compare, theme, on);
    const inView = (...views) => () => views.includes(State.get().view);
    const calm = (event) => !event.target.closest("button, a, summary, video, audio, [role=button], [role=slider]");
    const question = inView("question");
    const run = inView("run");
    const table = (by) => () => RunPage.table() && RunPage.table().move(by);
    Keys.add("j", "next question", () => step(1), question);
    Keys.add("k", "previous question", () => step(-1), question);
    Keys.add("j", "next row of the table", table(1), run);
    Keys.add("k", "previous row of the table", table(-1), run);
    Keys.add("ArrowRight", "next turn", () => QuestionView.step(1), question);
    Keys.add("ArrowLeft", "previous turn", () => QuestionView.step(-1), question);
    Keys.add(" ", "play or stop the clip", () => QuestionView.play(), (event) => question() && calm(event));
    Keys.add("/", "search the table", () => {
      if (!run()) toRun();
      RunPage.focusSearch();
    });
    Keys.add("Escape", "back to the table", toRun, inView("question", "compare"));
    Keys.add("?", "this list", help);
    Selection.on(() => show(State.get()));
  }

  return { mount, show };
})();
