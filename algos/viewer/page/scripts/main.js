// The router: one view at a time, as the address says.
const Main = (() => {
  const VIEWS = {
    run: RunPage,
    question: typeof QuestionView === "undefined" ? null : QuestionView,
    compare: typeof CompareView === "undefined" ? null : CompareView,
  };
  const title = document.title;
  let shown = null;
  let before = null; // the state that was shown

  function trouble(error) {
    const place = document.getElementById("trouble");
    place.textContent = error instanceof Error ? error.message : String(error);
    place.hidden = false;
  }

  async function show(state) {
    const { view } = state;
    const moved = shown !== view;
    if (moved && shown && VIEWS[shown] && VIEWS[shown].leave) VIEWS[shown].leave();
    const first = shown === null;
    if (moved && view === "run" && before) RunPage.from(before);
    shown = view;
    before = state;
    document.documentElement.dataset.view = view;
    Tools.show(state);
    if (moved && !first) {
      scrollTo(0, 0);
      document.getElementById("content").focus({ preventScroll: true });
    }
    try {
      if (view !== "run") await Data.ready;
      if (VIEWS[view] && shown === view) await VIEWS[view].show(document.getElementById(`${view}-view`), state);
    } catch (error) {
      trouble(error);
    }
    named(state);
    if (state.section && first) scrolled(state.section);
  }

  function named(state) {
    const row = state.view === "question" ? Data.rowOf(state.e || Data.run.shown, state.q) : -1;
    const question = row < 0 ? state.q : Data.rows.get("question", row);
    document.title = state.view === "question" && question ? `${String(question).slice(0, 80)} – ${title}` : title;
  }

  function scrolled(name) {
    const found = document.getElementById(name);
    if (found && found.tagName === "SECTION") found.scrollIntoView();
  }

  // The page of one question begins with it: its table has nothing to choose from.
  async function begin() {
    const plain = !location.hash;
    await Data.ready;
    if (!plain || location.hash || Data.run.questions !== 1) return;
    State.set({ view: Data.run.before ? "compare" : "question", q: Data.ids[0] }, { replace: true });
  }

  Tools.mount();
  State.on(show);
  show(State.get());
  begin().catch(trouble);
})();
